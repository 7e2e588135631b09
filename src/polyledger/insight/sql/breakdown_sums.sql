       -- What a breakdown says beside skill.
       CAST(sum(volume) AS DOUBLE) AS volume, CAST(avg(volume) AS DOUBLE) AS size_mean,
       CAST(median(volume) AS DOUBLE) AS size_median, CAST(max(volume) AS DOUBLE) AS size_largest,
       sum(early_volume) AS early_volume, sum(late_volume) AS late_volume, sum(timed_volume) AS timed_volume,
       sum(CASE WHEN resolved THEN paid ELSE 0 END) AS paid
