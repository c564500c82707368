"""Where jobs are sent, and what every request says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

# AWS's newest PyTorch image whose Python runs Tintype.
IMAGES = "763104351884.dkr.ecr.{region}.amazonaws.com/pytorch-training:2.8.0-{device}-py312-ubuntu22.04-sagemaker"
INSTANCE = "ml.m5.xlarge"       # when nobody says which


@final
@dataclass(frozen=True)
class Remote:
    """Where jobs are sent: clients of boto3, and what every request says."""

    role: str                   # the ARN that jobs run as
    region: str
    bucket: str
    sagemaker: Any
    s3: Any
    logs: Any

    def image(self, instance_type: str) -> str:
        """AWS's PyTorch image for an instance type."""
        family = instance_type.split(".")[1] if "." in instance_type else ""
        return IMAGES.format(region=self.region, device="gpu" if family[:1] in ("g", "p") else "cpu")
