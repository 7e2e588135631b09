"""The contracts of Polymarket: which address plays which role, and since when.

Source of the addresses and first blocks: official deployment lists and subgraph configurations (start blocks are at or
before the first event). Roles, not addresses, are what the rest of the program asks for, so the whole set can be
replaced for another deployment by ``chain.contracts``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import Final

from polyledger.domain.errors import ConfigurationError, MalformedIdError
from polyledger.domain.ids import address_bytes, normal_address


class Role(StrEnum):
    """What a contract does; also the key by which configuration names it."""

    CONDITIONAL_TOKENS = "conditional_tokens"
    EXCHANGE_V1 = "exchange_v1"
    NEG_RISK_EXCHANGE_V1 = "neg_risk_exchange_v1"
    EXCHANGE_V2 = "exchange_v2"
    NEG_RISK_EXCHANGE_V2 = "neg_risk_exchange_v2"
    EXCHANGE_V3 = "exchange_v3"
    NEG_RISK_ADAPTER = "neg_risk_adapter"
    NEG_RISK_OPERATOR = "neg_risk_operator"
    NEG_RISK_VAULT = "neg_risk_vault"
    WRAPPED_COLLATERAL = "wrapped_collateral"
    FEE_MODULE = "fee_module"
    COLLATERAL = "collateral"
    NATIVE_COLLATERAL = "native_collateral"
    COLLATERAL_TOKEN = "collateral_token"  # noqa: S105 - the pUSD contract, not a secret
    COLLATERAL_ADAPTER = "collateral_adapter"
    POSITION_MANAGER = "position_manager"
    PROTOCOL_MODULE = "protocol_module"
    ROUTER = "router"
    AUTO_REDEEMER = "auto_redeemer"
    FPMM_FACTORY = "fpmm_factory"
    BURN = "burn"
    UMA_ADAPTER = "uma_adapter"
    UMA_ORACLE = "uma_oracle"
    WALLET_FACTORY = "wallet_factory"
    RELAY_HUB = "relay_hub"
    REWARDS = "rewards"


EXCHANGE_ROLES: Final = frozenset(
    {
        Role.EXCHANGE_V1,
        Role.NEG_RISK_EXCHANGE_V1,
        Role.EXCHANGE_V2,
        Role.NEG_RISK_EXCHANGE_V2,
        Role.EXCHANGE_V3,
    }
)
# Every log of these contracts is taken.
LOGGED_ROLES: Final = EXCHANGE_ROLES | {
    Role.CONDITIONAL_TOKENS,
    Role.NEG_RISK_ADAPTER,
    Role.NEG_RISK_OPERATOR,
    Role.WRAPPED_COLLATERAL,
    Role.FEE_MODULE,
    Role.COLLATERAL_TOKEN,
    Role.POSITION_MANAGER,
    Role.PROTOCOL_MODULE,
    Role.FPMM_FACTORY,
}
# Money of the protocol stands on, or passes through, these.
HOLDER_ROLES: Final = EXCHANGE_ROLES | {
    Role.CONDITIONAL_TOKENS,
    Role.NEG_RISK_ADAPTER,
    Role.NEG_RISK_VAULT,
    Role.WRAPPED_COLLATERAL,
    Role.FEE_MODULE,
    Role.COLLATERAL_TOKEN,
    Role.COLLATERAL_ADAPTER,
    Role.POSITION_MANAGER,
    Role.PROTOCOL_MODULE,
    Role.ROUTER,
    Role.AUTO_REDEEMER,
}
COLLATERAL_ROLES: Final = frozenset({Role.COLLATERAL, Role.WRAPPED_COLLATERAL, Role.COLLATERAL_TOKEN})
# Roles that exactly one contract must play: always (no others named), or when one of the others is there.
_NEEDED: Final[Mapping[Role, tuple[Role, ...]]] = {
    Role.CONDITIONAL_TOKENS: (),
    Role.NEG_RISK_ADAPTER: (Role.NEG_RISK_EXCHANGE_V1, Role.NEG_RISK_OPERATOR, Role.WRAPPED_COLLATERAL),
    Role.WRAPPED_COLLATERAL: (Role.NEG_RISK_ADAPTER,),
}
# What these log says nothing about the books; they are known so that they are never taken for users.
AUXILIARY_ROLES: Final = frozenset(Role) - LOGGED_ROLES - {Role.COLLATERAL}


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract: address in normal form, its role, a name for people, and a block at or before its first event."""

    address: str
    role: Role
    name: str
    first_block: int

    @property
    def address_bytes(self) -> bytes:
        """The 20 bytes of the address."""
        return address_bytes(self.address)


@dataclass(frozen=True)
class ContractSet:
    """All contracts of one deployment. Make it with `mainnet` or `from_mapping`."""

    all: tuple[Contract, ...]

    @staticmethod
    def mainnet() -> ContractSet:
        """Polymarket on Polygon (chain 137), all eras."""
        return _mainnet()

    @staticmethod
    def from_mapping(mapping: Mapping[str, str | Sequence[str]]) -> ContractSet:
        """A replacement set: each key is a role, each value one address or a list of them.

        Roles that are not named have no contract. First blocks are 0, as nothing is known about the other deployment.

        Raises:
            ConfigurationError: an unknown role, a value that is no address, an address given twice, or none at all.
        """
        contracts: list[Contract] = []
        for key, value in mapping.items():
            try:
                role = Role(key)
            except ValueError:
                known = ", ".join(sorted(Role))
                raise ConfigurationError(
                    f"chain.contracts names an unknown role {key!r}", f"Roles are {known}"
                ) from None
            addresses = [value] if isinstance(value, str) else list(value)
            for number, text in enumerate(addresses, start=1):
                try:
                    address = normal_address(text)
                except (MalformedIdError, TypeError) as error:
                    raise ConfigurationError(
                        f"chain.contracts.{key} holds {text!r}, which is not an address", "Write 0x and 40 hex digits"
                    ) from error
                name = key if len(addresses) == 1 else f"{key} {number}"
                contracts.append(Contract(address, role, name, 0))
        return ContractSet(_checked(contracts))

    def check_usable(self) -> None:
        """Make sure that books can be kept with this set.

        Raises:
            ConfigurationError: a contract that the others cannot do without is missing, or there is one too many.
        """
        for role, others in _NEEDED.items():
            count = len(self.with_role(role))
            asked = not others or any(self.with_role(other) for other in others)
            if asked and count != 1:
                because = f", which {' and '.join(others)} stand on" if others else ""
                raise ConfigurationError(
                    f"chain.contracts names {count or 'no'} {role}, and exactly one is needed{because}",
                    f"Set chain.contracts.{role} to one address, or leave chain.contracts out for Polymarket's own",
                )
        if not self.with_role(Role.COLLATERAL, Role.COLLATERAL_TOKEN):
            raise ConfigurationError(
                "chain.contracts names no collateral, so no books could be kept",
                "Set chain.contracts.collateral to the address of the ERC-20 token that shares are paid in",
            )

    def with_role(self, *roles: Role) -> tuple[Contract, ...]:
        """The contracts that play one of `roles`, in the order of the set."""
        return tuple(contract for contract in self.all if contract.role in roles)

    def addresses_of(self, roles: Iterable[Role]) -> tuple[bytes, ...]:
        """The addresses (20 bytes each) of the contracts that play one of `roles`."""
        return tuple(contract.address_bytes for contract in self.with_role(*roles))

    def address_bytes(self, role: Role) -> bytes:
        """The address of the one contract that plays `role`.

        Raises:
            ConfigurationError: none plays it, or several do.
        """
        found = self.addresses_of([role])
        if len(found) != 1:
            raise ConfigurationError(
                f"The contract set has {len(found)} contracts in the role {role}, and exactly one is needed here",
                f"Set chain.contracts.{role} to one address",
            )
        return found[0]

    def role_of(self, address: bytes) -> Role | None:
        """The role of an address (20 bytes), or None when it is not in the set."""
        return self._roles.get(address)

    def digest(self) -> str:
        """A short stable hash of everything that decides which logs are taken; done-intervals are kept per digest."""
        relevant = sorted(
            f"{contract.role}:{contract.address}"
            for contract in self.all
            if contract.role in LOGGED_ROLES | HOLDER_ROLES | {Role.COLLATERAL}
        )
        return hashlib.blake2b("\n".join(relevant).encode(), digest_size=8).hexdigest()

    @property
    def first_block(self) -> int:
        """The first block in which any contract whose logs are taken can have logged something."""
        blocks = [contract.first_block for contract in self.all if contract.role in LOGGED_ROLES]
        return min(blocks, default=0)

    @cached_property
    def exchanges(self) -> tuple[bytes, ...]:
        """All exchange addresses of all eras."""
        return self.addresses_of(EXCHANGE_ROLES)

    @cached_property
    def log_addresses(self) -> tuple[bytes, ...]:
        """The contracts whose every log is taken."""
        return self.addresses_of(LOGGED_ROLES)

    @cached_property
    def transfer_collaterals(self) -> tuple[bytes, ...]:
        """Collateral tokens too busy to take whole: only transfers that touch the protocol are asked for."""
        return self.addresses_of([Role.COLLATERAL])

    @cached_property
    def collateral_holders(self) -> tuple[bytes, ...]:
        """Protocol contracts that hold collateral or through which it passes."""
        return self.addresses_of(HOLDER_ROLES)

    @cached_property
    def _roles(self) -> dict[bytes, Role]:
        return {contract.address_bytes: contract.role for contract in self.all}


def _checked(contracts: Sequence[Contract]) -> tuple[Contract, ...]:
    if not contracts:
        raise ConfigurationError(
            "chain.contracts names no contract", "Name at least conditional_tokens, or leave it out"
        )
    seen: dict[str, Role] = {}
    for contract in contracts:
        if contract.address in seen:
            raise ConfigurationError(
                f"chain.contracts gives {contract.address} twice, as {seen[contract.address]} and as {contract.role}",
                "Give each address one role",
            )
        seen[contract.address] = contract.role
    return tuple(contracts)


_CONDITIONAL_TOKENS_BLOCK: Final = 4023686
_NEG_RISK_BLOCK: Final = 50505403
_V2_BLOCK: Final = 84902320

_MAINNET: Final = (
    (
        "0x4d97dcd97ec945f40cf65f87097ace5ea0476045",
        Role.CONDITIONAL_TOKENS,
        "ConditionalTokens",
        _CONDITIONAL_TOKENS_BLOCK,
    ),
    ("0x8b9805a2f595b6705e74f7310829f2d299d21522", Role.FPMM_FACTORY, "FPMM factory", 4023693),
    ("0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e", Role.EXCHANGE_V1, "CTFExchange v1", 33605403),
    ("0xc5d563a36ae78145c45a50134d48a1215220f80a", Role.NEG_RISK_EXCHANGE_V1, "NegRiskCtfExchange v1", 50505492),
    ("0xd91e80cf2e7be2e162c6513ced06f1dd0da35296", Role.NEG_RISK_ADAPTER, "NegRiskAdapter", _NEG_RISK_BLOCK),
    ("0x71523d0f655b41e805cec45b17163f528b59b820", Role.NEG_RISK_OPERATOR, "NegRiskOperator", _NEG_RISK_BLOCK),
    ("0x3a3bd7bb9528e159577f7c2e685cc81a765002e2", Role.WRAPPED_COLLATERAL, "WrappedCollateral", _NEG_RISK_BLOCK),
    ("0x7f67327e88c258932d7d8f72950be0d46975e11d", Role.NEG_RISK_VAULT, "NegRisk Vault", _NEG_RISK_BLOCK),
    ("0xa5ef39c3d3e10d0b270233af41cac69796b12966", Role.BURN, "NegRisk burn address", _NEG_RISK_BLOCK),
    ("0xe3f18acc55091e2c48d883fc8c8413319d4ab7b0", Role.FEE_MODULE, "FeeModule", 75253526),
    ("0xb768891e3130f6df18214ac804d4db76c2c37730", Role.FEE_MODULE, "NegRiskFeeModule", 75253721),
    ("0x78769d50be1763ed1ca0d5e878d93f05aabff29e", Role.FEE_MODULE, "NegRiskFeeModule (old)", _NEG_RISK_BLOCK),
    ("0x2791bca1f2de4661ed88a30c99a7a9449aa84174", Role.COLLATERAL, "USDC.e", 5013591),
    ("0x3c499c542cef5e3811e1192ce70d8cc03d5c3359", Role.NATIVE_COLLATERAL, "USDC", 0),
    ("0xe111180000d2663c0091e4f400237545b87b996b", Role.EXCHANGE_V2, "CTFExchange V2", _V2_BLOCK),
    ("0xe2222d279d744050d28e00520010520000310f59", Role.NEG_RISK_EXCHANGE_V2, "NegRiskCtfExchange V2", _V2_BLOCK),
    ("0xe2222d002000ba0053cef3375333610f64600036", Role.NEG_RISK_EXCHANGE_V2, "NegRiskCtfExchange V2 (old)", _V2_BLOCK),
    ("0xc011a7e12a19f7b1f670d46f03b03f3342e82dfb", Role.COLLATERAL_TOKEN, "pUSD", _V2_BLOCK),
    ("0x93070a847efef7f70739046a929d47a521f5b8ee", Role.COLLATERAL_ADAPTER, "CollateralOnramp", _V2_BLOCK),
    ("0x2957922eb93258b93368531d39facca3b4dc5854", Role.COLLATERAL_ADAPTER, "CollateralOfframp", _V2_BLOCK),
    ("0xebc2459ec962869ca4c0bd1e06368272732bcb08", Role.COLLATERAL_ADAPTER, "PermissionedRamp", _V2_BLOCK),
    ("0xada100874d00e3331d00f2007a9c336a65009718", Role.COLLATERAL_ADAPTER, "CtfCollateralAdapter (first)", _V2_BLOCK),
    ("0xada100db00ca00073811820692005400218fce1f", Role.COLLATERAL_ADAPTER, "CtfCollateralAdapter", _V2_BLOCK),
    (
        "0xada200001000ef00d07553cee7006808f895c6f1",
        Role.COLLATERAL_ADAPTER,
        "NegRiskCtfCollateralAdapter (first)",
        _V2_BLOCK,
    ),
    ("0xada2005600dec949baf300f4c6120000bdb6eaab", Role.COLLATERAL_ADAPTER, "NegRiskCtfCollateralAdapter", _V2_BLOCK),
    ("0xe3333700ca9d93003f00f0f71f8515005f6c00aa", Role.EXCHANGE_V3, "ExchangeV3", _V2_BLOCK),
    ("0x006f54f7f9a22e0000cc2ab60031000000ae9fef", Role.POSITION_MANAGER, "PositionManager", _V2_BLOCK),
    ("0x12121212006e4cd160d18e3f00711da5c3372600", Role.ROUTER, "Router", _V2_BLOCK),
    ("0x1000008dd9001b968442c1000017eae6e0da00ba", Role.PROTOCOL_MODULE, "BinaryModule", _V2_BLOCK),
    ("0x200000900045e3b6259600682756002200028933", Role.PROTOCOL_MODULE, "NegRiskModule", _V2_BLOCK),
    ("0x30000034706c7d8e12009dab006be20000c031a8", Role.PROTOCOL_MODULE, "CombinatorialModule", _V2_BLOCK),
    ("0xa1200000d0002264c9a1698e001292d00e1b00af", Role.AUTO_REDEEMER, "AutoRedeemer", _V2_BLOCK),
    ("0xcb1822859cef82cd2eb4e6276c7916e692995130", Role.UMA_ADAPTER, "UmaCtfAdapter V1", 23569780),
    ("0x6a9d222616c90fca5754cd1333cfd9b7fb6a4f74", Role.UMA_ADAPTER, "UmaCtfAdapter V2", 35203539),
    ("0x157ce2d672854c848c9b79c49a8cc6cc89176a49", Role.UMA_ADAPTER, "UmaCtfAdapter V3", 46755254),
    ("0x71392e133063cc0d16f40e1f9b60227404bc03f7", Role.UMA_ADAPTER, "UmaCtfAdapter (another)", 0),
    ("0x65070be91477460d8a7aeeb94ef92fe056c2f2a7", Role.UMA_ADAPTER, "UmaCtfAdapter V4", 74797879),
    ("0x2f5e3684cb1f318ec51b00edba38d79ac2c0aa9d", Role.UMA_ADAPTER, "NegRisk UmaCtfAdapter", 50505488),
    ("0x69c47de9d4d3dad79590d61b9e05918e03775f24", Role.UMA_ADAPTER, "NegRisk UmaCtfAdapter V4", 82000000),
    ("0xb21182d0494521cf45dbbeebb5a3acaab6d22093", Role.UMA_ADAPTER, "UmaSportsOracle", 68931384),
    ("0xee3afe347d5c74317041e2618c49534daf887c24", Role.UMA_ORACLE, "OptimisticOracleV2", 0),
    ("0x2c0367a9db231ddebd88a94b4f6461a6e47c58b1", Role.UMA_ORACLE, "ManagedOptimisticOracleV2", 74677419),
    ("0xbb1a8db2d4350976a11cdfa60a1d43f97710da49", Role.UMA_ORACLE, "OptimisticOracle (old)", 0),
    ("0xab45c5a4b0c941a2f231c04c3f49182e1a254052", Role.WALLET_FACTORY, "Proxy wallet factory", 4022827),
    ("0xaacfeea03eb1561c4e67d661e40682bd20e3541b", Role.WALLET_FACTORY, "Safe proxy factory", 19426226),
    ("0x00000000000fb5c9adea0298d729a0cb3823cc07", Role.WALLET_FACTORY, "Deposit wallet factory", 0),
    ("0xd216153c06e857cd7f72665e0af1d7d82172f494", Role.RELAY_HUB, "RelayHub", 3764531),
    ("0xdd8db71ce3be8d71ff148b2163d64da181a29e8b", Role.REWARDS, "Rewards", 0),
)


@cache
def _mainnet() -> ContractSet:
    return ContractSet(_checked([Contract(*entry) for entry in _MAINNET]))
