"""Orders of strategies: the interface of brokers, limits and the kill switch, and the broker that trades on paper."""
