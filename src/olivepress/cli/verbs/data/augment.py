"""``olivepress data augment``. Annotations are evaluated here: ``takes`` reads them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from olivepress.cli.data_options import NewDatasetOption, SeedOption
from olivepress.cli.dataset_text import write_and_print
from olivepress.cli.options import DatasetArgument, JsonOption, takes
from olivepress.core.errors import UsageError

__all__ = ["augment"]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Variations that a server is asked for."""

    url: str | None
    model: str
    paraphrases: int | None
    language: str | None


def _asked(
    paraphrase: Annotated[
        int | None,
        typer.Option("--paraphrase", min=1, help="Ask --endpoint for this many other wordings of each question."),
    ] = None,
    back_translate: Annotated[
        str | None,
        typer.Option("--back-translate", metavar="LANGUAGE", help="Translate there and back, by --endpoint."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="URL", help="An OpenAI-compatible server; training rows are sent to it."),
    ] = None,
    endpoint_model: Annotated[
        str, typer.Option("--endpoint-model", help="The model that the server is asked for.")
    ] = "default",
) -> _Asked:
    wanted = paraphrase is not None or back_translate is not None
    if wanted != (endpoint is not None):
        raise UsageError("--endpoint goes with --paraphrase or --back-translate", next_step="give both or none of them")
    return _Asked(url=endpoint, model=endpoint_model, paraphrases=paraphrase, language=back_translate)


@takes(asked=_asked)
def augment(
    dataset: DatasetArgument,
    name: NewDatasetOption,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="FILE", help="Variations of phrases, in YAML or JSON.")
    ] = None,
    templates: Annotated[
        Path | None, typer.Option("--templates", metavar="FILE", help="Instruction templates that contain {prompt}.")
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option("--noise", min=0.001, max=0.5, help="Add a copy with this share of letters mistyped."),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option("--balance", metavar="SIZE", help="Bring every class to one size: down, up or a number."),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    *,
    asked: _Asked,
) -> None:
    """Add variations of training rows; balance their classes.

    Held-out rows stay as they are.
    """
    from olivepress.data.derive.augment import augment as augment_dataset
    from olivepress.data.derive.augment import noisy, read_table, read_templates, table_maker, template_maker
    from olivepress.data.store.find import find_dataset

    makers: list[tuple[str, Any]] = []
    if table is not None:
        makers.append((f"table {table.name}", table_maker(read_table(table))))
    if templates is not None:
        makers.append((f"template {templates.name}", template_maker(read_templates(templates))))
    if noise is not None:
        makers.append((f"noise {noise:g}", noisy(noise)))
    makers += _asking(asked)
    if not makers and balance is None:
        choices = "--table, --templates, --noise, --paraphrase, --back-translate or --balance"
        raise UsageError("nothing to do", next_step=f"give {choices}")
    augmented = augment_dataset(find_dataset(dataset), makers, name=name, seed=seed, target=_size(balance))
    write_and_print(augmented, as_json, asked=name)


def _asking(asked: _Asked) -> list[tuple[str, Any]]:
    from olivepress.data.derive.endpoint import Endpoint, back_translator, paraphraser

    makers: list[tuple[str, Any]] = []
    if asked.url is None:
        return makers
    server = Endpoint(url=asked.url, model=asked.model)
    if asked.paraphrases is not None:
        makers.append((f"paraphrase by {asked.model}", paraphraser(server, asked.paraphrases)))
    if asked.language is not None:
        title = f"back-translation through {asked.language} by {asked.model}"
        makers.append((title, back_translator(server, asked.language)))
    return makers


def _size(balance: str | None) -> str | int | None:
    if balance is None or balance in ("down", "up"):
        return balance
    if balance.isdecimal() and int(balance):
        return int(balance)
    raise UsageError(f"--balance {balance!r}: expected down, up or a number", next_step="--balance down")
