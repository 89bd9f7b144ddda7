"""Train the embedded Tiny-Phi from scratch: `python scripts/make_tiny_phi.py --steps 700`.

Seeded and made only from `olivepress.synthetic.embedded.corpus`. Run it once; the result is committed. Floating-point
sums depend on the machine and its thread count, so another machine gets an equal, not an identical, model.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

from olivepress.synthetic.embedded import corpus

ROLES = ("<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|pad|>")
EOT, END, PAD = 0, 1, 5
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
PROMPT_WEIGHT = 0.1  # a little loss on prompts teaches the words; the rest goes where the answers are
Item = tuple[list[int], int]  # token ids of the whole exchange, length of its prompt
Batch = tuple[torch.Tensor, torch.Tensor]


def render(example: corpus.Exchange) -> tuple[str, str]:
    """The exchange as the chat template writes it, cut where the answer begins."""
    system = f"<|system|>{example.system}<|end|>" if example.system else ""
    return f"{system}<|user|>{example.prompt}<|end|><|assistant|>", f"{example.answer}<|end|>"


def train_tokenizer(vocabulary: int, seed: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE without BOS: the same ids in Hugging Face and in ONNX Runtime GenAI."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(role, special=True, normalized=False) for role in ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (f"{example.prompt}\n{example.answer}" for example in islice(corpus.examples(seed), 60_000))
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        pad_token="<|pad|>",
        padding_side="left",
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast


def build_model(vocabulary: int) -> Phi3ForCausalLM:
    """Phi-3's architecture, small: 4 layers, 8 query and 2 key/value heads of size 32, tied embeddings."""
    config = Phi3Config(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        original_max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=EOT,
        eos_token_id=EOT,
        pad_token_id=PAD,
    )
    model = Phi3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        bos_token_id=EOT, eos_token_id=[END, EOT], pad_token_id=PAD, do_sample=False
    )
    return model


def items(tokenizer: PreTrainedTokenizerFast, seed: int, warm_up: int = 0, most: int = 128) -> Iterator[Item]:
    """Endless encoded exchanges of at most `most` tokens."""
    for example in corpus.examples(seed, warm_up=warm_up):
        prompt, answer = (tokenizer.encode(text, add_special_tokens=False) for text in render(example))
        if len(prompt) + len(answer) <= most:
            yield prompt + answer, len(prompt)


def batches(source: Iterator[Item], rows: int, generator: torch.Generator) -> Iterator[Batch]:
    """Right-padded ids and loss weights, both [rows, tokens]; rows of like length go together."""
    while True:
        chunk = sorted(islice(source, rows * 32), key=lambda item: len(item[0]))
        for index in torch.randperm(32, generator=generator).tolist():
            yield collate(chunk[index * rows : (index + 1) * rows])


def collate(rows: list[Item]) -> Batch:
    """Pad on the right: causal attention then needs no mask."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), PAD)
    weight = torch.zeros(len(rows), width)
    for row, (tokens, prompt) in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        weight[row, :prompt] = PROMPT_WEIGHT
        weight[row, prompt : len(tokens)] = 1.0
    return ids, weight


def loss_of(model: Phi3ForCausalLM, batch: Batch) -> torch.Tensor:
    """Weighted mean cross-entropy of the next token, in nats."""
    ids, weight = batch
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    losses = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    loss: torch.Tensor = (losses * weight[:, 1:]).sum() / weight[:, 1:].sum()
    return loss


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised (Jordan et al. 2024): here it halves the tokens AdamW needs.

    torch.optim.Muon iterates in bfloat16, which CPUs without AMX emulate slowly; this one stays in fp32.
    """

    def __init__(self, matrices: list[torch.nn.Parameter], lr: float) -> None:
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every matrix, with Nesterov momentum 0.95 and weight decay 0.05."""
        for group in self.param_groups:
            for matrix in group["params"]:
                momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                momentum.lerp_(matrix.grad, 0.05)
                update = orthogonal(matrix.grad.lerp(momentum, 0.95))
                scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                matrix.mul_(1 - group["lr"] * 0.05).add_(update, alpha=-group["lr"] * scale)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, roughly: five quintic Newton-Schulz iterations."""
    tall = matrix.shape[0] > matrix.shape[1]
    x: torch.Tensor = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (2.0315 * gram @ gram - 4.7750 * gram) @ x
    return x.T if tall else x


def optimizers(model: Phi3ForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices, AdamW for the embedding and the norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim < 2 or "embed" in name]
    return [Muon(matrices, lr=0.02), torch.optim.AdamW(rest, lr=3e-3, betas=(0.9, 0.97), weight_decay=0.0, fused=True)]


def train(model: Phi3ForCausalLM, stream: Iterator[Batch], steps: int) -> float:
    """Warm-up, then a slow square-root decay to zero; returns the mean loss of the last 50 steps."""
    parts = optimizers(model)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(part, lambda step: min(1.0, (step + 1) / 50) * (1 - step / steps) ** 0.75)
        for part in parts
    ]
    recent: list[float] = []
    start, tokens = time.monotonic(), 0
    for step, batch in enumerate(islice(stream, steps)):
        loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part, schedule in zip(parts, schedules, strict=True):
            part.step()
            part.zero_grad()
            schedule.step()
        recent, tokens = [*recent[-49:], loss.item()], tokens + batch[0].numel()
        if step % 50 == 49:
            seconds = time.monotonic() - start
            mean = sum(recent) / len(recent)
            print(f"{step + 1:5d} loss {mean:.3f} {tokens / seconds:.0f} tok/s {seconds:.0f} s", flush=True)
    return sum(recent) / len(recent)


def save(model: Phi3ForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Store fp16 weights (half the wheel) and declare float32: every loader then computes in fp32."""
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config.pop("dtype", None)
    config["torch_dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def main() -> None:
    """Train, print the losses as JSON on the last line, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("src/olivepress/synthetic/embedded/tiny_phi"))
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--vocabulary", type=int, default=1536)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(2)
    tokenizer = train_tokenizer(options.vocabulary, options.seed)
    model = build_model(len(tokenizer))
    generator = torch.Generator().manual_seed(options.seed)
    source = items(tokenizer, options.seed + 1, warm_up=options.rows * 125)
    final = train(model, batches(source, options.rows, generator), options.steps)
    held_out = batches(items(tokenizer, options.seed + 2), options.rows, generator)
    with torch.no_grad():
        check = sum(loss_of(model, batch).item() for batch in islice(held_out, 32)) / 32
    save(model, tokenizer, options.out)
    count = sum(p.numel() for p in model.parameters())
    print(
        json.dumps({"parameters": count, "steps": options.steps, "loss": round(final, 4), "held_out": round(check, 4)})
    )


if __name__ == "__main__":
    main()
