"""The recipe: what a user wants, strictly read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from olivepress.core.names import NAME_PATTERN, check_name, check_names
from olivepress.core.yaml_document import Record, read_record
from olivepress.recipe.budget import Budget
from olivepress.recipe.finetune import Finetune, FinetuneChanges, Seed
from olivepress.recipe.methods import METHODS
from olivepress.recipe.promotion import Promotion
from olivepress.recipe.safety import Safety
from olivepress.recipe.search import Search

__all__ = [
    "PREPARATION",
    "RECIPES",
    "Adapter",
    "Benchmark",
    "Data",
    "Finetune",
    "Limits",
    "Model",
    "Recipe",
    "Search",
    "json_schema",
    "load_recipe",
    "recipe_files",
    "shipped_recipe_files",
]

RECIPES = Path("recipes")
Fraction = Annotated[float, Field(gt=0, lt=1)]
Tokens = Annotated[int, Field(ge=0, le=2**20)]
Name = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(check_name)]


class Model(Record):
    path: str = Field(min_length=1, description="Hub id, local directory, embedded:NAME or pypi:NAME")
    revision: str | None = Field(
        None,
        min_length=1,
        description="commit, tag or branch on the Hub; a branch is fixed at its commit at first sight",
    )
    family: str | None = Field(None, min_length=1, description="catalog family; that of the model when left out")


# Keys of data: that only the preparation of files reads.
PREPARATION = (
    "format", "slices", "benchmarks", "strict", "near_duplicates", "near_threshold", "echoes", "personal_data",
    "overlap_words", "validation_fraction", "test_fraction",
)  # fmt: skip


class Data(Record):
    demo: str | None = Field(
        None, min_length=1, description="a shipped synthetic task: phrase-tone, device-command or short-qa"
    )
    source: str | None = Field(
        None,
        min_length=1,
        description="a file, a directory with train*/valid*/test* files, a prepared dataset, or hub:owner/name",
    )
    format: str | None = Field(None, description="of the rows; recognized by their columns when left out")
    instruction: str | None = Field(None, description="text put before every prompt")
    json_schema: str | None = Field(None, description="a JSON Schema file that answers must conform to")
    validation_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.1
    max_train_rows: int | None = Field(None, ge=1)
    max_test_rows: int | None = Field(None, ge=1)
    max_length: int = Field(512, ge=16, le=2**20, description="tokens of prompt and answer together")
    seed: Seed = 0
    slices: tuple[str, ...] = Field((), description="rows of a split as the Hub writes them: train[:4096]")
    benchmarks: tuple[str, ...] = Field((), description="files that no training row may overlap with")
    strict: bool = Field(False, description="a row that cannot be read is an error, not left out")
    near_duplicates: Literal["group", "drop", "ignore"] = Field(
        "group", description="group keeps them in one split, drop keeps one of each group"
    )
    near_threshold: Fraction = Field(0.8, description="Jaccard similarity of shingles from which rows are near")
    echoes: Literal["drop", "keep"] = Field("drop", description="answers that begin with the whole prompt")
    personal_data: Literal["note", "mask", "drop", "ignore"] = "note"
    overlap_words: int = Field(
        13, ge=0, le=1000, description="words in a row that train may not share with test; 0: any"
    )

    @property
    def preparation(self) -> dict[str, Any]:
        """The settings of how files are prepared."""
        names = ("format", "slices", "benchmarks", "strict", "near_duplicates", "echoes", "personal_data")
        chosen = {name: getattr(self, name) for name in (*names, "overlap_words")}
        return {**chosen, "threshold": self.near_threshold}

    @model_validator(mode="after")
    def _one_source(self) -> Data:
        if (self.demo is None) == (self.source is None):
            raise ValueError("exactly one of the keys 'demo' and 'source'")
        unused = [] if self.demo is None else [key for key in PREPARATION if self.is_changed(key)]
        if unused:
            raise ValueError(f"no key '{unused[0]}' with a demo task, whose rows are prepared already")
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction that leave rows to train on (a sum below 1)")
        return self

    def is_changed(self, key: str) -> bool:
        """Whether ``key`` has another value than its default."""
        return bool(getattr(self, key) != type(self).model_fields[key].default)


class Adapter(Record):
    """An adapter, one of several for the same base, each trained on its own data."""

    task: str | None = Field(None, description="what it is for, in a few words")
    data: Data
    finetune: FinetuneChanges = Field(FinetuneChanges(), description="what differs from the recipe's finetune")


class Limits(Record):
    """What a quantized artifact may lose against its parent before its job fails, on the validation split.

    The task's own answers decide where they can: they must not be inferior to the merged model's by ``margin``. Where
    they cannot, the divergence does: nats a token, and the share of positions whose likeliest token is the same, both
    of the tokens that were trained on.
    """

    margin: float = Field(
        0.02, gt=0, le=0.5, description="how much of the task's metric an export may lose: 0.02 is 2 points"
    )
    rows: int | None = Field(
        None, ge=0, description="most validation rows that are answered; 500, fewer of large models, when left out"
    )
    max_kl_divergence: float | None = Field(None, gt=0, description="instead of the target's own limit")
    min_top1_agreement: float | None = Field(None, ge=0, le=1, description="instead of the target's own limit")


class Benchmark(Record):
    max_examples: int | None = Field(None, ge=1, description="test examples to answer; all when left out")
    workloads: tuple[tuple[Tokens, Annotated[Tokens, Field(ge=2)]], ...] = Field(
        ((32, 32), (128, 128), (512, 128), (2048, 128), (0, 32)),
        min_length=1,
        max_length=64,
        description="(prompt, generated) tokens; prompt 0 is the dataset's own prompt of median length",
    )
    rounds: int = Field(10, ge=1, le=1000, description="processes per workload, interleaved over all artifacts")
    repetitions: int = Field(3, ge=1, le=1000, description="timed repetitions in each process")
    few_shot: int = Field(
        5, ge=0, le=100, description="examples before the question, for the few-shot baseline; 0: none"
    )
    text: str | None = Field(None, description="a text file for perplexity")
    text_window: int | None = Field(
        None, ge=2, le=2**20, description="tokens of its sliding window; default min(context, 1024)"
    )
    price_per_hour: float | None = Field(None, gt=0, le=1.0e6, description="of the machine, for the cost")
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$", description="of the price, ISO 4217")

    @field_validator("workloads")
    @classmethod
    def _each_workload_once(cls, workloads: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        repeated = sorted({pair for pair in workloads if workloads.count(pair) > 1})
        if repeated:
            raise ValueError(f"each workload once, {list(repeated[0])} is there twice")
        return workloads

    @model_validator(mode="after")
    def _price_has_a_currency(self) -> Benchmark:
        if (self.price_per_hour is None) != (self.currency is None):
            raise ValueError("both or none of the keys 'price_per_hour' and 'currency'")
        return self


class Recipe(Record):
    schema_version: Literal[1] = 1
    name: Name
    description: str = ""
    model: Model
    data: Data | None = Field(None, description="with adapter_mode merge")
    finetune: Finetune = Finetune()
    adapter_mode: Literal["merge", "multi"] = Field(
        "merge", description="multi: a package for each target, one base that takes every adapter"
    )
    adapters: dict[Name, Adapter] = Field({}, description="with adapter_mode multi: name → data and finetune")
    targets: tuple[str, ...] = Field(
        min_length=1, description="targets, or a device such as cpu: its smallest target that passes its checks"
    )
    soc_model: str | None = Field(None, description="Qualcomm's number of the chip, for qnn-npu targets")
    limits: Limits = Limits()
    benchmark: Benchmark = Benchmark()
    budget: dict[str, Budget] = Field({}, description="hard limits by target or device, or 'all' for every target")
    promote: Promotion = Promotion()
    safety: Safety = Safety()
    search: Search | None = Field(None, description="what olivepress search finetune tries")
    tracking: bool | None = Field(
        None,
        description="runs are sent to MLflow: false: never; true: a warning where it is not installed; left out: where "
        "it is installed",
    )

    @field_validator("adapters")
    @classmethod
    def _names_are_files(cls, adapters: dict[str, Adapter]) -> dict[str, Adapter]:
        check_names(adapters)
        return adapters

    @model_validator(mode="after")
    def _adapters_with_multi_only(self) -> Recipe:
        if self.adapter_mode == "merge":
            if self.adapters:
                raise ValueError("adapter_mode: multi with the key 'adapters'")
            if self.data is None:
                raise ValueError("the key 'data'")
            return self
        if self.data is not None or not self.adapters:
            raise ValueError("with adapter_mode multi the key 'adapters', each with its own data, and no key 'data'")
        for name, recipe in self.members().items():
            method = recipe.finetune.method
            if not METHODS[method].low_rank:
                fit = " or ".join(other for other, properties in METHODS.items() if properties.low_rank)
                raise ValueError(
                    f"{fit} for adapter {name}: no LoRA input holds what {method} adds; or adapter_mode: merge"
                )
        return self

    @model_validator(mode="after")
    def _search_has_a_measure(self) -> Recipe:
        if self.search is None:
            return self
        if self.finetune.eval_steps == 0:
            raise ValueError("finetune.eval_steps that evaluates, as a search compares validation losses")
        if self.search.methods is None:
            ignored = METHODS[self.finetune.method].ignores
            key = next((key for key in self.search.axes if key in ignored), None)
            if key is not None:
                raise ValueError(f"no search.{key} with method {self.finetune.method}: {ignored[key]}")
        return self

    @model_validator(mode="after")
    def _each_target_once(self) -> Recipe:
        repeated = sorted({name for name in self.targets if self.targets.count(name) > 1})
        if repeated:
            raise ValueError(f"each target once, {repeated[0]!r} is there twice")
        return self

    @property
    def wants_tracking(self) -> bool | None:
        """``tracking``; true also where ``report_to`` names MLflow."""
        return True if self.tracking is None and "mlflow" in self.finetune.report_to else self.tracking

    def members(self) -> dict[str, Recipe]:
        """Adapter → the recipe that trains and merges it alone, called ``<recipe>.<adapter>``."""
        shared = self.model_dump(mode="json", exclude={"adapters", "adapter_mode"})
        members = {}
        for name, adapter in self.adapters.items():
            changed: dict[str, Any] = {
                "name": f"{self.name}.{name}",
                "description": adapter.task or self.description,
                "data": adapter.data.model_dump(mode="json"),
                "finetune": shared["finetune"] | adapter.finetune.model_dump(mode="json", exclude_none=True),
            }
            members[name] = Recipe.model_validate_json(json.dumps(shared | changed))
        return members

    @model_validator(mode="after")
    def _budget_is_for_its_targets(self) -> Recipe:
        known = (*self.targets, "all")
        # The targets of a device are known to the plan only, which checks them.
        unknown = sorted(key for key in self.budget if key not in known and not key.startswith(_of_devices(self)))
        if unknown:
            raise ValueError(f"a target of this recipe or 'all' under budget, not {unknown[0]!r}")
        return self


def _of_devices(recipe: Recipe) -> tuple[str, ...]:
    """What the targets of the recipe's devices begin with."""
    return tuple(f"{name}-" for name in recipe.targets)


def load_recipe(path: Path) -> Recipe:
    """Read and check one recipe file. Raises RecipeError with file and line."""
    return read_record(path, Recipe)


def recipe_files() -> dict[str, Path]:
    """Name → file of every recipe that can be named: those in ./recipes, before those that ship with olivepress."""
    own = {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}
    return shipped_recipe_files() | own


def shipped_recipe_files() -> dict[str, Path]:
    """Name → file of the recipes that ship: in a wheel they lie in the package, in a clone beside src/."""
    package = Path(__file__).parents[1]
    installed, checkout = package / "recipes", package.parents[1] / "recipes"
    folder = installed if installed.is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def json_schema() -> str:
    """JSON Schema of a recipe, for editors."""
    return json.dumps(Recipe.model_json_schema(), indent=2, sort_keys=True) + "\n"
