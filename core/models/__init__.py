"""The models by name."""

from core.models.attention import AttentionSettings, RecurrentAttention, Rollout

MODELS = {"recurrent_attention": RecurrentAttention}

__all__ = ["MODELS", "AttentionSettings", "RecurrentAttention", "Rollout"]
