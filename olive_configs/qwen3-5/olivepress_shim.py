"""Rendered by olivepress: seeds, then registers its Olive components. Do not edit."""

from olivepress.workflow.olive_plugin.extension import activate

activate(seed=0)
