"""What Olive is given for each kind of job."""

from olivepress.workflow.olive_config.finetune import IDENTITY, training_pass
from olivepress.workflow.olive_config.jobs import builder_without_remote_code, job_config

__all__ = ["IDENTITY", "builder_without_remote_code", "job_config", "training_pass"]
