"""Rendered by olivepress: seeds, then registers its Olive components. Do not edit."""

from olivepress.extension import activate

activate(seed=0)
