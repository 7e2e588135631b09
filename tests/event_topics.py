"""First topics as published with the sources of the contracts: what our own hashing must give."""

from __future__ import annotations

PUBLISHED_TOPICS = {
    "Transfer(address,address,uint256)": "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
    "TransferSingle(address,address,address,uint256,uint256)": (
        "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
    ),
    "TransferBatch(address,address,address,uint256[],uint256[])": (
        "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
    ),
    "ApprovalForAll(address,address,bool)": "0x17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31",
    "ConditionPreparation(bytes32,address,bytes32,uint256)": (
        "0xab3760c3bd2bb38b5bcf54dc79802ed67338b4cf29f3054ded67ed24661e4177"
    ),
    "ConditionResolution(bytes32,address,bytes32,uint256,uint256[])": (
        "0xb44d84d3289691f71497564b85d4233648d9dbae8cbdbb4329f301c3a0185894"
    ),
    "PositionSplit(address,address,bytes32,bytes32,uint256[],uint256)": (
        "0x2e6bb91f8cbcda0c93623c54d0403a43514fabc40084ec96b6d5379a74786298"
    ),
    "PositionsMerge(address,address,bytes32,bytes32,uint256[],uint256)": (
        "0x6f13ca62553fcc2bcd2372180a43949c1e4cebba603901ede2f4e14f36b282ca"
    ),
    "PayoutRedemption(address,address,bytes32,bytes32,uint256[],uint256)": (
        "0x2682012a4a4f1973119f1c9b90745d1bd91fa2bab387344f044cb3586864d18d"
    ),
    "OrderFilled(bytes32,address,address,uint256,uint256,uint256,uint256,uint256)": (
        "0xd0a08e8c493f9c94f29311604c9de1b4e8c8d4c06bd0c789af57f2d65bfec0f6"
    ),
    "OrdersMatched(bytes32,address,uint256,uint256,uint256,uint256)": (
        "0x63bf4d16b7fa898ef4c4b2b6d90fd201e9c56313b65638af6088d149d2ce956c"
    ),
    "OrderCancelled(bytes32)": "0x5152abf959f6564662358c2e52b702259b78bac5ee7842a0f01937e670efcc7d",
    "TokenRegistered(uint256,uint256,bytes32)": "0xbc9a2432e8aeb48327246cddd6e872ef452812b4243c04e6bfb786a2cd8faf0d",
    "FeeCharged(address,uint256,uint256)": "0xacffcc86834d0f1a64b0d5a675798deed6ff0bcfc2231edd3480e7288dba7ff4",
    "FeeRefunded(bytes32,address,uint256,uint256,uint256)": (
        "0xb608d2bf25d8b4b744ba23ce2ea9802ea955e216c064a62f42152fbf98958d24"
    ),
    "OrderFilled(bytes32,address,address,uint8,uint256,uint256,uint256,uint256,bytes32,bytes32)": (
        "0xd543adfd945773f1a62f74f0ee55a5e3b9b1a28262980ba90b1a89f2ea84d8ee"
    ),
    "OrdersMatched(bytes32,address,uint8,uint256,uint256,uint256)": (
        "0x174b3811690657c217184f89418266767c87e4805d09680c39fc9c031c0cab7c"
    ),
    "FeeCharged(address,uint256)": "0x55bb3cade9d43b798a4fe5ffdd05024b2d7870df53920673bfc7e68047cd0ab1",
    "OrderPreapproved(bytes32)": "0xe92c22722d9c284034b6c9f5aaec018edb3e593c0e084900b6b9d390a1182a0b",
    "OrderPreapprovalInvalidated(bytes32)": "0xb766aa470f20b094f26a9a14ea5bf63a60af51703c15776e2e739b6a0428adf6",
    "MarketPrepared(bytes32,address,uint256,bytes)": (
        "0xf059ab16d1ca60e123eab60e3c02b68faf060347c701a5d14885a8e1def7b3a8"
    ),
    "QuestionPrepared(bytes32,bytes32,uint256,bytes)": (
        "0xaac410f87d423a922a7b226ac68f0c2eaf5bf6d15e644ac0758c7f96e2c253f7"
    ),
    "OutcomeReported(bytes32,bytes32,bool)": "0x9e9fa7fd355160bd4cd3f22d4333519354beff1f5689bde87f2c5e63d8d484b2",
    "PositionSplit(address,bytes32,uint256)": "0xbbed930dbfb7907ae2d60ddf78345610214f26419a0128df39b6cc3d9e5df9b0",
    "PositionsMerge(address,bytes32,uint256)": "0xba33ac50d8894676597e6e35dc09cff59854708b642cd069d21eb9c7ca072a04",
    "PositionsConverted(address,bytes32,uint256,uint256)": (
        "0xb03d19dddbc72a87e735ff0ea3b57bef133ebe44e1894284916a84044deb367e"
    ),
    "PayoutRedemption(address,bytes32,uint256[],uint256)": (
        "0x9140a6a270ef945260c03894b3c6b3b2695e9d5101feef0ff24fec960cfd3224"
    ),
    "FixedProductMarketMakerCreation(address,address,address,address,bytes32[],uint256)": (
        "0x92e0912d3d7f3192cad5c7ae3b47fb97f9c465c1dd12a5c24fd901ddb3905f43"
    ),
    "FPMMBuy(address,uint256,uint256,uint256,uint256)": (
        "0x4f62630f51608fc8a7603a9391a5101e58bd7c276139366fc107dc3b67c3dcf8"
    ),
    "FPMMSell(address,uint256,uint256,uint256,uint256)": (
        "0xadcf2a240ed9300d681d9a3f5382b6c1beed1b7e46643e0c7b42cbe6e2d766b4"
    ),
    "FPMMFundingAdded(address,uint256[],uint256)": (
        "0xec2dc3e5a3bb9aa0a1deb905d2bd23640d07f107e6ceb484024501aad964a951"
    ),
    "FPMMFundingRemoved(address,uint256[],uint256,uint256)": (
        "0x8b4b2c8ebd04c47fc8bce136a85df9b93fcb1f47c8aa296457d4391519d190e7"
    ),
    "ConditionResolved(bytes31,uint256[])": "0xe560c1a2847d4cf2e66de11fe592605556989449f38cc3ab96e2e287daa68caa",
    "PositionsSplit(address,bytes31,address,address,uint256)": (
        "0xb6a6b8b17a43b07b9359dd12d304e42077eede9e672f8646144842c8604582a4"
    ),
    "PositionsMerged(address,bytes31,address,uint256)": (
        "0xf233f7be4ce81130a78e8eb2fa626497586c56094d27bfec2e196471e9c60301"
    ),
    "PositionRedeemed(address,uint256,address,uint256,uint256)": (
        "0x4fd474b703f46b453536518b4cbc159dfbea6fd663233763d321a9bc8ccdf97f"
    ),
    "PositionConverted(address,bytes29,address,uint256,uint256)": (
        "0x975e919c2cacb75b8a9fc78ddf455a5211812df2f388c877c8d3adfe156e2779"
    ),
    "MarketPrepared(bytes32,uint256,bytes)": "0x8138c0666fe0f752ff38486f542284f127aef02642c9c8db716ee1088839eeb0",
    "QuestionPrepared(bytes32,bytes32,bytes32,uint256,bytes)": (
        "0xcdc45423ec79c60a3fe3de57272e598d71a4ec88822e822ac8e134184a8435aa"
    ),
    "QuestionReported(bytes32,bytes32,bool)": "0x504306b41b2531b3fd2bc5e1b32dc1fc87501906cfc63c1180e3873af20f0eae",
    "QuestionResolved(bytes32,bool)": "0x5c3937ed929cd157b73b417381d743daf6e1ef65999e3ccb5dd64bc3247e28d6",
    "QuestionEmergencyResolved(bytes32,bool)": "0xd1aea2ca9d3458614d11a93a203dd9fabbd3576aeb841422c46e235637333cb9",
    "QuestionFlagged(bytes32)": "0x2435a0347185933b12027c6f394a5fd9c03646dba233e956f50658719dfc0b35",
    "QuestionUnflagged(bytes32)": "0x052435bc04fc49113a7bfd9198a92c0852ca622a621800f6da66d4b29b786c05",
    "EventPrepared(bytes29,uint256,bytes32)": "0x9bdf886b29ff2e03765aa003845c79f3700b39f9628db119aeeaac5d0fd73306",
    "ResultReported(address,bytes31,uint256[])": ("0x669c053fe14f2493990c0c90d8d2870cd45e2630b34b8a2b4f02869301987713"),
    "RemainingConditionsDerivableAsNo(bytes29)": ("0x7b4e633936952f2babe4b4b548a8ccb384cdfdf1a95247fbacd18e387b490502"),
    "SyntheticConditionDerivableAsYes(bytes29,bytes31)": (
        "0x5bea118d92630445b0b401b6883731630ed870edf2f259980efe977dfc128b36"
    ),
    "MigrationConditionRegistered(bytes31,bytes32)": (
        "0x0da49435dfd3b856758ee0b1a2500f1e8062fed24dd654594af9fa163cc5bcb4"
    ),
    "QuestionInitialized(bytes32,uint256,address,bytes,address,uint256,uint256)": (
        "0xeee0897acd6893adcaf2ba5158191b3601098ab6bece35c5d57874340b64c5b7"
    ),
    "QuestionPaused(bytes32)": "0x6ded7250a9d5f79aef5add44600fc20a74a0af6f4730baa4fc4ab87bf484b812",
    "QuestionUnpaused(bytes32)": "0x92d28918c5574e7fc0f4f948c39502682c81cfb4089b07b83f95b3264e5e5e06",
    "QuestionReset(bytes32)": "0x7981b5832932948db4e32a4a16a0f44b2ce7ff088574afb9364b313f70f82e8f",
    "QuestionResolved(bytes32,int256,uint256[])": (
        "0x566c3fbdd12dd86bb341787f6d531f79fd7ad4ce7e3ae2d15ac0ca1b601af9df"
    ),
    "QuestionManuallyResolved(bytes32,uint256[])": (
        "0x5909815fe7fe0a550d5fcb95fbf33821b580521d3c97089c6ce12808d1cd0566"
    ),
    "QuestionEmergencyResolved(bytes32,uint256[])": (
        "0x6edb5841a476c9c29c34a652d1a44f785fe71a6157a3da9a6a6a589a1bd2945a"
    ),
    "RequestPrice(address,bytes32,uint256,bytes,address,uint256,uint256)": (
        "0xf1679315ff325c257a944e0ca1bfe7b26616039e9511f9610d4ba3eca851027b"
    ),
    "ProposePrice(address,address,bytes32,uint256,bytes,int256,uint256,address)": (
        "0x6e51dd00371aabffa82cd401592f76ed51e98a9ea4b58751c70463a2c78b5ca1"
    ),
    "DisputePrice(address,address,address,bytes32,uint256,bytes,int256)": (
        "0x5165909c3d1c01c5d1e121ac6f6d01dda1ba24bc9e1f975b5a375339c15be7f3"
    ),
    "Settle(address,address,address,bytes32,uint256,bytes,int256,uint256)": (
        "0x3f384afb4bd9f0aef0298c80399950011420eb33b0e1a750b20966270247b9a0"
    ),
}
