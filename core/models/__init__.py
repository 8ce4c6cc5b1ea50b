"""The models by name."""

from torch import nn

from seedsweep.core.models.attention import AttentionSettings, RecurrentAttention
from seedsweep.core.models.edram import Edram, EdramSettings
from seedsweep.core.models.levels import MultiLevelSettings, MultiLevelUNet
from seedsweep.core.models.unet import SingleLevelUNet, UNetSettings

#: Any model's settings; `name` says whose.
ModelSettings = AttentionSettings | EdramSettings | UNetSettings | MultiLevelSettings

#: name -> settings and module, a constructor from (settings, channels, mean, std of the training images).
MODELS: dict[str, tuple[type[ModelSettings], type[nn.Module]]] = {
    "recurrent_attention": (AttentionSettings, RecurrentAttention),
    "edram": (EdramSettings, Edram),
    "unet": (UNetSettings, SingleLevelUNet),
    "multilevel_unet": (MultiLevelSettings, MultiLevelUNet),
}

__all__ = [
    "MODELS",
    "AttentionSettings",
    "Edram",
    "EdramSettings",
    "ModelSettings",
    "MultiLevelSettings",
    "MultiLevelUNet",
    "RecurrentAttention",
    "SingleLevelUNet",
    "UNetSettings",
]
