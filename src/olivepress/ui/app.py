"""The addresses, and what each shows. FastAPI runs these functions in threads: none waits for another."""

from __future__ import annotations

from importlib import resources
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from olivepress.charts.style import style_sheet
from olivepress.core.errors import OlivepressError, ReportError
from olivepress.core.layout import RESULTS, RUNS
from olivepress.core.messages import explain
from olivepress.ui.artifacts import artifact_file, job_page, log_page
from olivepress.ui.documents import Documents, Written, policy_of, prepared_datasets
from olivepress.ui.guard import Guard
from olivepress.ui.jobs import recipe_view, recipes
from olivepress.ui.places import NotHereError, is_plain
from olivepress.ui.render import render
from olivepress.ui.reports import measured_recipes, report_lines

__all__ = ["make_app"]

Name = Annotated[str, Path(max_length=64)]
_STATIC = {"ui.css": "text/css", "ui.js": "text/javascript"}


def make_app() -> Guard:
    """The application for the project in the current directory."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)  # their pages would load from elsewhere
    app.add_exception_handler(HTTPException, _no_page)
    app.add_exception_handler(RequestValidationError, _no_page)
    app.add_exception_handler(OlivepressError, _error)
    app.add_exception_handler(Exception, _error)
    _add_lists(app)
    _add_jobs(app)
    _add_documents(app, Documents())
    _add_static(app)
    return Guard(app)


def _add_lists(app: FastAPI) -> None:
    @app.get("/")
    def overview() -> HTMLResponse:
        names = recipes()
        others = [name for name in measured_recipes() if name not in names]
        views = sorted((recipe_view(name) for name in names), key=_activity, reverse=True)
        return _page("overview.html", section="runs", recipes=views, measured=others)

    @app.get("/reports")
    def reports() -> HTMLResponse:
        lines, more = report_lines()
        return _page("reports.html", section="reports", lines=lines, more=more)

    @app.get("/data")
    def data() -> HTMLResponse:
        return _page("datasets.html", section="data", names=prepared_datasets())


def _activity(view: Any) -> tuple[bool, float]:
    """What runs first, then what ran last."""
    return view.running or view.measuring, view.latest.timestamp() if view.latest else 0.0


def _add_jobs(app: FastAPI) -> None:
    @app.get("/runs/{recipe}")
    def recipe(recipe: Name) -> HTMLResponse:
        return _page("recipe.html", section="runs", view=recipe_view(recipe))

    @app.get("/runs/{recipe}/jobs/{job}")
    def job(recipe: Name, job: Name) -> HTMLResponse:
        return _page("job.html", section="runs", **job_page(recipe, job))

    @app.get("/runs/{recipe}/jobs/{job}/log")
    def log(recipe: Name, job: Name) -> HTMLResponse:
        return _page("log.html", section="runs", recipe=recipe, job=job, log=log_page(recipe, job))

    @app.get("/runs/{recipe}/jobs/{job}/files/{name:path}")
    def file(recipe: Name, job: Name, name: str) -> HTMLResponse:
        return _page(
            "file.html", section="runs", recipe=recipe, job=job, name=name, file=artifact_file(recipe, job, name)
        )


def _add_documents(app: FastAPI, documents: Documents) -> None:
    @app.get("/runs/{recipe}/comparison")
    def comparison(recipe: Name) -> HTMLResponse:
        _check_known(recipe)
        problem, written = "", None
        try:
            written = documents.comparison(recipe)
        except ReportError as error:
            problem = explain(error)
        notes = written.notes if written else ()
        return _page("comparison.html", section="runs", recipe=recipe, problem=problem, notes=notes)

    @app.get("/runs/{recipe}/comparison/page")
    def comparison_page(recipe: Name) -> HTMLResponse:
        _check_known(recipe)
        return _framed(documents.comparison(recipe), "sandbox allow-scripts")

    @app.get("/data/{name}")
    def audit(name: Name) -> HTMLResponse:
        problem = ""
        try:
            documents.audit(name)
        except NotHereError:
            raise
        except OlivepressError as error:
            problem = explain(error)
        return _page("audit.html", section="data", name=name, problem=problem)

    @app.get("/data/{name}/page")
    def audit_page(name: Name) -> HTMLResponse:
        return _framed(documents.audit(name), "sandbox")


def _check_known(recipe: str) -> None:
    if not is_plain(recipe) or (recipe not in recipes() and recipe not in measured_recipes()):
        raise NotHereError(f"neither {RUNS.as_posix()} nor {RESULTS.as_posix()} has anything of that recipe")


def _add_static(app: FastAPI) -> None:
    @app.get("/static/page.css")
    def page_css() -> Response:
        return Response(style_sheet(), media_type="text/css")

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in _STATIC:
            raise NotHereError("there is no such file")
        text = resources.files("olivepress.ui").joinpath(name).read_text(encoding="utf-8")
        return Response(text, media_type=_STATIC[name])

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(status_code=204)

    @app.get("/runs")
    def runs() -> RedirectResponse:
        return RedirectResponse("/")


def _page(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(render(template, **values), status_code=status)


def _framed(written: Written, sandbox: str) -> HTMLResponse:
    """A static page inside one of ours: its own policy holds, and it is another origin than these pages."""
    policy = f"{policy_of(written.html)}; frame-ancestors 'self'; {sandbox}"
    return HTMLResponse(written.html, headers={"content-security-policy": policy})


def _no_page(request: Request, error: Exception) -> HTMLResponse:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return _page("error.html", status=status, section="", title="Not here", message="There is no such page.")


def _error(request: Request, error: Exception) -> HTMLResponse:
    if isinstance(error, NotHereError):
        return _page("error.html", status=404, section="", title="Not here", message=error.message)
    return _page("error.html", status=500, section="", title="This cannot be shown", message=explain(error))
