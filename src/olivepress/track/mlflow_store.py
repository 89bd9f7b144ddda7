"""MLflow's client, with every write made so that repeating it changes nothing.

A run and a model are looked for by our own tag before they are created. Points carry the time of the record, and MLflow
keeps a point of the same curve, step, time and value once; parameters, tags, inputs and files are replaced by the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from olivepress.core.errors import SetupError
from olivepress.track.embedded import create_embedded
from olivepress.track.record import Facts, Figure, Measured, Point, Started

if TYPE_CHECKING:
    from mlflow.entities import Experiment

__all__ = ["MlflowStore", "RunDeleted", "metric_name"]

ID_TAG = "olivepress.id"
_MOST_AT_ONCE = 900  # metrics of one request; MLflow takes 1,000
_MOST_PARAMS = 100
_ALLOWED = "_-./ :"
_STATUSES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED", "killed": "KILLED"}
_EMBEDDED_FILES = "mlruns"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's word for training
_OWN_PREFIX = {"versions", "environment", "hardware", "rows"}


class RunDeleted(Exception):
    """Somebody deleted the run in the store."""


def metric_name(text: str) -> str:
    """A name that MLflow takes: of some signs only, and a path without empty parts and dots."""
    allowed = "".join(sign if sign.isalnum() or sign in _ALLOWED else "_" for sign in text)[:250]
    parts = [part if part.strip(".") else "_" * max(1, len(part)) for part in allowed.split("/")]
    return "/".join(["_" + parts[0] if parts[0].startswith("..") else parts[0], *parts[1:]])


def unique_names(names: Iterable[str]) -> dict[str, str]:
    """Name → a name that MLflow takes, no two the same, however they are written: ``>50K`` and ``<50K`` are two."""
    unique, taken = dict[str, str](), set[str]()
    for name in names:
        chosen, number = metric_name(name), 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{metric_name(name)[:240]}_{number}"
        taken.add(chosen.casefold())
        unique[name] = chosen
    return unique


class MlflowStore:
    """One experiment of a store. Every method raises what MLflow raises when the store is not there."""

    def __init__(self, uri: str, experiment: str, *, embedded: bool) -> None:
        from mlflow import MlflowClient

        if embedded:
            create_embedded()
        self._client, self._experiment = MlflowClient(uri, registry_uri=uri), experiment
        found = self._client.get_experiment_by_name(experiment)
        if found is None:
            place = Path(_EMBEDDED_FILES).absolute().as_uri() if embedded else None
            self.experiment_id = str(self._client.create_experiment(experiment, artifact_location=place, tags=_KIND))
        else:
            self.experiment_id = str(found.experiment_id)
            self._check_stage(found)
            if embedded:
                _check_place(experiment, str(found.artifact_location))

    def begin(self, started: Started, parent: str | None) -> str:
        """The run of a record, created where it is not there yet, with its parameters, tags and data."""
        run_id = self._one_run(started.id)
        if run_id is None:
            tags = {ID_TAG: started.id, **_tags(started)} | ({"mlflow.parentRunId": parent} if parent else {})
            run = self._client.create_run(self.experiment_id, started.at, tags, _run_name(started))
            run_id = str(run.info.run_id)
        self._params(run_id, started.params)
        self._dataset(run_id, started.facts)
        return run_id

    def resume(self, run_id: str) -> None:
        self._client.update_run(run_id, status="RUNNING")

    def points(self, run_id: str, points: Iterable[Point]) -> None:
        """Curves, many points in a request."""
        self._metrics(
            run_id,
            [(name, value, point.at, point.step, None) for point in points for name, value in point.values.items()],
        )

    def figures(self, run_id: str, figures: Mapping[str, Figure], at: int) -> None:
        """Single numbers of a run, with the ends of their intervals."""
        self._metrics(run_id, [(name, value, at, 0, None) for name, value in _with_intervals(figures).items()])

    def measured(self, run_id: str, model_id: str | None, report: Measured) -> None:
        """A device report's metrics, of its run and its model, as ``machine/metric``.

        That of what has no model of its own, such as the base model, has its name too.
        """
        place = report.machine if model_id else f"{report.machine}/{report.job}"
        named = _with_intervals(report.metrics)
        self._metrics(run_id, [(f"{place}/{name}", value, report.at, 0, model_id) for name, value in named.items()])

    def model(self, run_id: str, started: Started, sha256: str) -> str:
        """The model of an export, which is an output of its run: its files by reference, a path and a hash."""
        from mlflow.entities import LoggedModelOutput

        model_id = self._model_of(run_id, sha256) or self._create_model(run_id, started, sha256)
        outputs = self._client.get_run(run_id).outputs
        if outputs is None or model_id not in [output.model_id for output in outputs.model_outputs]:
            self._client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
        return model_id

    def _model_of(self, run_id: str, sha256: str) -> str | None:
        quoted = sha256.replace("'", "")
        found = self._client.search_logged_models([self.experiment_id], filter_string=f"tags.sha256 = '{quoted}'")
        return min((str(model.model_id) for model in found if model.source_run_id == run_id), default=None)

    def _create_model(self, run_id: str, started: Started, sha256: str) -> str:
        tags = {"sha256": sha256, "olivepress.recipe": started.recipe, "olivepress.job": started.job}
        tags["olivepress.path"] = f"runs/{started.recipe}/{started.job}"
        params = {key: value for key, value in started.params.items() if key.startswith(("job.", "model."))}
        model = self._client.create_logged_model(
            self.experiment_id, name=started.job, source_run_id=run_id, tags=tags, params=params,
            model_type="olivepress",
        )  # fmt: skip
        self._client.finalize_logged_model(model.model_id, "READY")
        return str(model.model_id)

    def files(self, run_id: str, paths: Iterable[str]) -> None:
        """Copies of small files: pages and figures, never models. What is gone meanwhile is left out."""
        for path in map(Path, paths):
            if path.is_file():
                self._client.log_artifact(run_id, str(path), path.parent.name)

    def end(self, run_id: str, started: Started, status: str, at: int, tags: Mapping[str, str]) -> None:
        """The run's end. A run that a slow server created twice goes, but for one."""
        self._tags(run_id, tags)
        self._client.set_terminated(run_id, _STATUSES[status], at)
        for other in self._runs(started.id):
            if other != run_id:
                self._client.delete_run(other)

    def check_deleted(self, run_id: str) -> None:
        """RunDeleted for a run that is no longer there, or in MLflow's trash; SetupError as ``check_experiment``."""
        from mlflow.exceptions import MlflowException

        try:
            stage = self._client.get_run(run_id).info.lifecycle_stage
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise RunDeleted from None
            raise
        if stage == "deleted":
            self.check_experiment()  # with it all of its runs are in the trash, and come back with it
            raise RunDeleted

    def check_experiment(self) -> None:
        """SetupError for an experiment in MLflow's trash: it takes nothing until somebody restores it."""
        self._check_stage(self._client.get_experiment(self.experiment_id))

    def _check_stage(self, experiment: Experiment) -> None:
        if experiment.lifecycle_stage == "deleted":
            raise SetupError(
                f"experiment {self._experiment} was deleted",
                next_step="restore it, or set MLFLOW_EXPERIMENT_NAME to a new name",
            )

    def _runs(self, own_id: str) -> list[str]:
        found = self._client.search_runs([self.experiment_id], f"tags.`{ID_TAG}` = '{own_id}'")
        return sorted(str(run.info.run_id) for run in found)

    def run_of(self, started: Started) -> str | None:
        """The run of a record; None where it was not begun."""
        return self._one_run(started.id)

    def _one_run(self, own_id: str) -> str | None:
        return next(iter(self._runs(own_id)), None)

    def _metrics(self, run_id: str, metrics: list[tuple[str, float, int, int, str | None]]) -> None:
        from mlflow.entities import Metric

        made = [Metric(metric_name(n), value, at, step, model_id=model) for n, value, at, step, model in metrics]
        for begin in range(0, len(made), _MOST_AT_ONCE):
            self._client.log_batch(run_id, metrics=made[begin : begin + _MOST_AT_ONCE])

    def _params(self, run_id: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        names = unique_names(params)
        made = [Param(names[name], value) for name, value in params.items()]
        for begin in range(0, len(made), _MOST_PARAMS):
            self._client.log_batch(run_id, params=made[begin : begin + _MOST_PARAMS])

    def _tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        if tags:
            self._client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def _dataset(self, run_id: str, facts: Facts) -> None:
        """The dataset with our own sha256: MLflow's digest leaves out rows and columns. Its digests have 36 signs."""
        if not facts.dataset or not facts.dataset_version:
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = f"datasets/{facts.dataset}-{facts.dataset_version[:12]}"
        dataset = Dataset(
            name=facts.dataset,
            digest=facts.dataset_version[:36],
            source_type="local",
            source=f'{{"uri": "{source}"}}',
            profile=_rows(facts.rows),
        )
        tags = [InputTag("mlflow.data.context", "training"), InputTag("sha256", facts.dataset_version)]
        self._client.log_inputs(run_id, [DatasetInput(dataset, tags)])


def _check_place(experiment: str, location: str) -> None:
    """SetupError where the project was moved: MLflow keeps the absolute place of an experiment's files for ever."""
    path = urlsplit(location).path
    if urlsplit(location).scheme not in ("", "file") or PurePosixPath(path).name != _EMBEDDED_FILES:
        return  # somebody chose that place
    here = Path(_EMBEDDED_FILES)
    if path not in (urlsplit(place.as_uri()).path for place in (here.absolute(), here.resolve())):
        raise SetupError(
            f"experiment {experiment} keeps its files where this project was before",
            next_step="move the project back, or set MLFLOW_EXPERIMENT_NAME to a new name",
        )


def _run_name(started: Started) -> str:
    return started.recipe if started.kind == "recipe" else started.name


def _rows(rows: Mapping[str, int]) -> str:
    import json

    return json.dumps({"num_rows": sum(rows.values()), **rows})


def _with_intervals(figures: Mapping[str, Figure]) -> dict[str, float]:
    numbers = {}
    for name, figure in figures.items():
        numbers[name] = figure.value
        if figure.ci_low is not None and figure.ci_high is not None:
            numbers |= {f"{name}.ci_low": figure.ci_low, f"{name}.ci_high": figure.ci_high}
    return numbers


def _tags(started: Started) -> dict[str, str]:
    """Hashes, commit, machine and versions: what a run is found by."""
    facts = started.facts
    chosen: dict[str, Any] = {
        "recipe": started.recipe,
        "job": started.job,
        "kind": started.kind,
        "number": started.number,
        "key": started.key,
        **facts.model_dump(exclude=_OWN_PREFIX),
        **{f"hardware.{name}": value for name, value in facts.hardware.items()},
        **{f"version.{name}": value for name, value in facts.versions.items()},
        **{f"environment.{name}": value for name, value in facts.environment.items()},
    }  # fmt: skip
    tags = {f"olivepress.{name}": _tag(value) for name, value in chosen.items() if value is not None}
    return tags | ({"mlflow.source.git.commit": facts.git_commit} if facts.git_commit else {})


def _tag(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
