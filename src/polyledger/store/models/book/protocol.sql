-- One row: the keys of the contracts that journal lines need by role. Null where the contract set has none.
CREATE VIEW book.protocol AS
SELECT
    max(CASE WHEN role = 'conditional_tokens' THEN account END) AS conditional_tokens,
    max(CASE WHEN role = 'neg_risk_adapter' THEN account END) AS neg_risk_adapter,
    max(CASE WHEN role = 'neg_risk_vault' THEN account END) AS neg_risk_vault,
    max(CASE WHEN role = 'wrapped_collateral' THEN account END) AS wrapped_collateral,
    max(CASE WHEN role = 'collateral' THEN account END) AS collateral,
    max(CASE WHEN role = 'burn' THEN account END) AS burn,
    max(CASE WHEN role = 'zero' THEN account END) AS zero
FROM dim.contracts;
