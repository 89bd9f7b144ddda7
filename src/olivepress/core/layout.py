"""Where everything lies below the project's root: each path is spelled here, once.

All paths are relative: olivepress runs from the project's root, as plain Olive does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "ABTESTS",
    "BASE_MODEL_HASHES",
    "BUNDLES",
    "CLUSTER_HASHES",
    "CLUSTER_SECRET",
    "CLUSTER_STORE",
    "CONFIGS",
    "DATASETS",
    "ENVIRONMENTS",
    "FLEETS",
    "HISTORY_PAGE",
    "HUB_COMMITS",
    "MACHINE_RATES",
    "MATRICES",
    "MODELS",
    "OPENED_BUNDLES",
    "REGISTRY",
    "REGISTRY_LOCK",
    "REHEARSALS",
    "RESULTS",
    "RUNS",
    "STORE_LOCK",
    "STUDIES",
    "STUDY_LOCKS",
    "TOKENIZER_CHECKS",
    "TRACKING",
    "TRAINING",
    "TRUSTED_KEYS",
    "WORKER",
    "adapter_view",
    "bundle_log",
    "bundle_logs",
    "continuation",
    "dataset_dir",
    "device_report",
    "fleet_dir",
    "hash_cache",
    "job_dir",
    "job_log",
    "job_messages",
    "journal",
    "kept_adapters",
    "manifests",
    "model_card",
    "olive_cache",
    "parent_answers",
    "promotion_log",
    "promotion_logs",
    "promotion_records",
    "recipe_runs",
    "run_record",
    "run_records",
    "safety_result",
    "safety_results",
    "scratch_dir",
    "search_dir",
    "stored_reports",
    "tensorboard_dir",
    "training_dir",
    "training_records",
]

RUNS = Path("runs")
DATASETS = Path("datasets")
CONFIGS = Path("olive_configs")
MODELS = Path("models")
HUB_COMMITS = MODELS / "hub.json"  # of the Hub models that this project uses
BUNDLES = Path("bundles")
FLEETS = Path("fleets")  # the machines that measure a bundle, and what they sent back
ABTESTS = Path("abtests")  # blind sheets for people, and the keys of them
OPENED_BUNDLES = Path(".bundles")
ENVIRONMENTS = Path(".environments")
RESULTS = Path("benchmarks", "results")
HISTORY_PAGE = RESULTS / "index.html"
REHEARSALS = Path("benchmarks", "rehearsals")
MATRICES = Path("benchmarks", "matrix")
REGISTRY = Path("registry")  # what belongs to promotions; to be kept under version control

CLUSTER_HASHES = RUNS / ".cluster-hashes.json"  # of the files that workers were sent
CLUSTER_SECRET = RUNS / ".cluster-secret"  # of this project, by which it knows the results of its workers
CLUSTER_STORE = RUNS / ".store"  # where all workers are on this machine

BASE_MODEL_HASHES = RUNS / ".base-models.json"
MACHINE_RATES = RUNS / ".machine-rates.json"
TOKENIZER_CHECKS = RUNS / ".tokenizers.json"
TRUSTED_KEYS = REGISTRY / "keys"  # public keys whose signatures count
REGISTRY_LOCK = RUNS / ".registry"  # of the process that promotes or rolls back
STORE_LOCK = RUNS / ".mlflow"  # of the process that creates the file of the embedded MLflow store
STUDIES = Path("studies.db")  # the searches of this project, beside runs/
STUDY_LOCKS = RUNS / ".studies"  # of the database, and of each trial that runs
WORKER = Path(".worker")  # of a worker that was started here
TRACKING = RUNS / ".tracking"  # the lock of the process that sends records to MLflow
TRAINING = "training.jsonl"  # in the artifact of a fine-tune: its steps

_MANIFEST = "manifest.json"
_BUNDLE_LOG = "bundles.jsonl"


def dataset_dir(name: str, version: str) -> Path:
    """A prepared dataset of this version."""
    return DATASETS / f"{name}-{version[:12]}"


def recipe_runs(recipe: str) -> Path:
    """Everything that was made of a recipe."""
    return RUNS / recipe


def job_dir(recipe: str, job: str) -> Path:
    """The artifact of a job."""
    return RUNS / recipe / job


def journal(recipe: str) -> Path:
    return RUNS / recipe / "journal.jsonl"


def run_record(recipe: str, job: str, number: int) -> Path:
    """What was recorded of one run of a job; it stays when the artifact is replaced."""
    return RUNS / recipe / "records" / f"{job}.{number}.jsonl"


def run_records(recipe: str = "*", job: str = "*") -> Iterator[Path]:
    """The records of all runs, in order of their names; ``job.number.jsonl`` each."""
    for path in sorted(RUNS.glob(f"{recipe}/records/*.jsonl")):
        if job in ("*", path.stem.rpartition(".")[0]):
            yield path


def safety_result(recipe: str, job: str) -> Path:
    """What the safety prompts said about an artifact, or about the base model."""
    return RUNS / recipe / "safety" / f"{job}.json"


def safety_results(recipe: str) -> Iterator[Path]:
    """That of every artifact of a recipe, in order."""
    yield from sorted((RUNS / recipe / "safety").glob("*.json"))


def model_card(recipe: str, job: str) -> Path:
    """The model card of an artifact, which a person completes."""
    return RUNS / recipe / "cards" / f"{job}.md"


def job_log(recipe: str, job: str) -> Path:
    return RUNS / recipe / "logs" / f"{job}.log"


def continuation(recipe: str) -> Path:
    """Of a recipe that goes on from another one's model: the versions of the data so far, and its scores on them."""
    return RUNS / recipe / "continue.json"


def search_dir(recipe: str) -> Path:
    """Pages and results of the searches of a recipe."""
    return RUNS / recipe / "search"


def tensorboard_dir(recipe: str) -> Path:
    return RUNS / recipe / "logs" / "tensorboard"


def scratch_dir(recipe: str, job: str) -> Path:
    """What a job writes while it runs, and nobody reads afterwards."""
    return RUNS / recipe / ".work" / job


def job_messages(recipe: str, job: str) -> Path:
    """Progress and errors that a job's process reports while it runs; a fine-tune has its training record."""
    return scratch_dir(recipe, job) / "messages.jsonl"


def olive_cache(recipe: str, name: str) -> Path:
    """Olive's own cache of one job."""
    return RUNS / recipe / ".cache" / name


def training_dir(recipe: str, name: str) -> Path:
    """Checkpoints of a fine-tune, which an interrupted one goes on from."""
    return RUNS / recipe / ".training" / name


def training_records(recipe: str, job: str) -> Iterator[Path]:
    """The steps of fine-tunes that are not finished: of the present workflow, and of those before a change."""
    yield from sorted((RUNS / recipe / ".training").glob(f"{job}-*.jsonl"))


def parent_answers(recipe: str, job: str) -> Path:
    """Answers of a merged model, given once and compared with every export's."""
    return RUNS / recipe / ".answers" / job


def kept_adapters(recipe: str, job: str) -> Path:
    """Adapters that somebody added to a package, while the package is made again."""
    return RUNS / recipe / ".kept" / job


def adapter_view(recipe: str, job: str, adapter: str) -> Path:
    """A package's files as links, with one adapter as the active one."""
    return RUNS / recipe / ".views" / f"{job}-{adapter}"


def hash_cache(directory: Path) -> Path | None:
    """Where the hashes of an artifact's files are remembered; None for a folder that is no job's."""
    place = directory.absolute()
    if place.parent.parent.name != RUNS.name:
        return None
    return place.parent / ".hashes" / f"{place.name}.json"


def manifests() -> Iterator[Path]:
    """The manifest of every artifact of this project, in order."""
    yield from sorted(RUNS.glob(f"*/*/{_MANIFEST}"))


def bundle_log(recipe: str) -> Path:
    """The bundles that were made of a recipe's artifacts."""
    return RUNS / recipe / _BUNDLE_LOG


def bundle_logs() -> Iterator[Path]:
    """That of every recipe, in order."""
    yield from sorted(RUNS.glob(f"*/{_BUNDLE_LOG}"))


def device_report(machine: str, recipe: str, job: str, *, root: Path = RESULTS) -> Path:
    """What a machine measured of an artifact."""
    return root / machine / recipe / f"{job}.json"


def fleet_dir(name: str) -> Path:
    """Everything of a fleet: its records, its machines, the index of their reports, the page."""
    return FLEETS / name


def stored_reports(recipe: str, job: str = "*") -> Iterator[Path]:
    """The device reports of all machines, in order."""
    yield from sorted(RESULTS.glob(f"*/{recipe}/{job}.json"))


def promotion_log(model: str) -> Path:
    """The audit log of a registered model."""
    return REGISTRY / f"{model}.jsonl"


def promotion_logs() -> Iterator[Path]:
    """Those of all registered models, in order."""
    yield from sorted(REGISTRY.glob("*.jsonl"))


def promotion_records(model: str, number: int, sha256: str) -> Path:
    """What the line ``number`` of a model's audit log was decided from: reports, the manifest, the gates' results."""
    return REGISTRY / model / f"{number:04d}-{sha256[:12]}"
