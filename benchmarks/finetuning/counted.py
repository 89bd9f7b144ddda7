"""One training in a process of its own, its steps counted: python -m finetuning.counted olive|plain ARGUMENTS.

Every subject ends in ``transformers.Trainer``; its ``training_step`` is wrapped, so that tokens and seconds are counted
alike whoever called it. The last line of the output is the count.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

STEPS: list[dict[str, float]] = []


def count_steps() -> None:
    """Wrap ``Trainer.training_step``: tokens that are attended to, positions with a label, positions in all."""
    import transformers

    original = transformers.Trainer.training_step

    def counted(self: Any, model: Any, inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        mask, labels = inputs["attention_mask"], inputs["labels"]
        # The first position of a row is never predicted.
        seen = {"real": int((mask > 0).sum()), "supervised": int((labels[:, 1:] != -100).sum()),
                "positions": int(mask.numel()), "began": time.perf_counter()}  # fmt: skip
        found = original(self, model, inputs, *arguments, **keywords)
        STEPS.append(seen | {"ended": time.perf_counter()})
        return found

    transformers.Trainer.training_step = counted


def summed(steps: list[dict[str, float]]) -> dict[str, float]:
    """Over all steps but the first, which warms up: tokens, seconds from its end to the last one's end."""
    later = steps[1:]
    return {
        "steps": len(steps),
        "seconds": later[-1]["ended"] - steps[0]["ended"],
        **{name: sum(one[name] for one in later) for name in ("real", "supervised", "positions")},
        **{f"all_{name}": sum(one[name] for one in steps) for name in ("real", "supervised", "positions")},
    }


def plain(spec: dict[str, Any]) -> None:
    """What one writes by hand: Trainer, PEFT, labels on the answer, a collator that pads to the batch's longest row."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(0)
    model = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(**spec["lora"], task_type="CAUSAL_LM"))
    tokenizer = AutoTokenizer.from_pretrained(spec["model"])
    rows = []
    for line in Path(spec["rows"]).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        prompt, text = (tokenizer(row[name], add_special_tokens=False)["input_ids"] for name in ("prompt", "text"))
        rows.append({"input_ids": text, "labels": [-100] * len(prompt) + text[len(prompt) :]})
    collator = DataCollatorForSeq2Seq(tokenizer, padding=True)
    arguments = TrainingArguments(**spec["arguments"])
    Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator).train()


def main() -> None:
    count_steps()
    kind, *arguments = sys.argv[1:]
    if kind == "plain":
        plain(json.loads(arguments[0]))
    else:
        from olive.cli.launcher import main as olive

        olive(arguments)
    if not STEPS:
        raise SystemExit("no training step ran")
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps(summed(STEPS) | {"peak_memory_bytes": int(peak.split()[1]) * 1024}), flush=True)


if __name__ == "__main__":
    main()
