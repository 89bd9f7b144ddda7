"""Known broken sets of packages, each with its fix (docs/compatibility.md). Pure: what is installed → findings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from olivepress.catalog.provider import PROVIDERS
from olivepress.doctor.packages import Folder, Packages
from olivepress.doctor.records import Finding

__all__ = [
    "NAMED",
    "ImportProbe",
    "import_findings",
    "package_findings",
]

BUILD, RUN = "pip install 'olivepress[build]'", "pip install 'olivepress[cpu]'"
GENAI_VERSION = "0.14.1"  # where nothing pins another
CPU_TORCH = "https://download.pytorch.org/whl/cpu"
MLFLOW = "pip install 'mlflow>=3.17.2,<3.18' 'pyarrow>=21,<26'"
GENAI = tuple(record.genai_package for record in PROVIDERS.values() if record.genai_package)
# Packages that a rule looks at, beside the pinned ones.
NAMED = (
    "olive-ai",
    "requests",
    "mlflow",
    "pyarrow",
    "torchvision",
    "optimum-intel",
    "model-generate",
    "openvino-genai",
)

# Whether a module can be imported, and its version or the reason why not.
ImportProbe = tuple[bool, str]
Rule = Callable[[Packages, Mapping[str, str]], Iterator[Finding]]


def package_findings(packages: Packages, expected: Mapping[str, str], *, gpu: bool = False) -> list[Finding]:
    """Every rule's findings, then one note for all other versions that differ from the pinned ones.

    ``gpu``: whether there is an NVIDIA GPU, so that PyTorch's CUDA libraries are wanted.
    """
    rules = RULES if gpu else (*RULES, _torch_with_cuda)
    findings = [finding for rule in rules for finding in rule(packages, expected)]
    fixed = {name for finding in findings for name in finding.packages}
    others = {name: pin for name, pin in expected.items() if name not in fixed}
    return findings + list(_drift(packages, others))


def import_findings(packages: Packages, imports: Mapping[str, ImportProbe]) -> Iterator[Finding]:
    """What is absent and what that costs; what is installed and cannot be imported. ``imports``: module → outcome.

    A module whose folder is damaged is left to ``package_findings``, which gives the reason.
    """
    damaged = {folder.name for folder in packages.folders if len(folder.owners) != 1 or folder.damaged}
    named = {"olive": ("olive-ai",), "onnxruntime_genai": GENAI, "onnxruntime": tuple(_owners(packages))}
    for module, (works, outcome) in imports.items():
        installed = [name for name in named[module] if packages.has(name)]
        if works:
            name = " and ".join(installed) or module
            yield Finding(level="ok", what=f"{name} {outcome}".rstrip(), detail="can be imported")
        elif not installed:
            yield _absent(module, packages)
        elif module == "olive" and "requests" in outcome:
            detail = "import olive fails: it uses requests and does not declare it"
            yield _problem("no requests", detail, "pip install 'requests>=2.32'")
        elif module not in damaged:
            detail = f"it cannot be imported: {outcome}"
            fix = _repair(module, installed[0], packages)
            yield _problem(f"{module} broken", detail, fix)


def _repair(module: str, package: str, packages: Packages) -> str:
    """How to install what cannot be imported again."""
    if module == "olive":
        return _build_command(packages)
    return f"pip install --force-reinstall --no-deps {_pinned(package, packages)}"


def _problem(what: str, detail: str, fix: str, packages: tuple[str, ...] = ()) -> Finding:
    return Finding(level="problem", what=what, detail=detail, fix=fix, packages=packages)


def _builder_works(packages: Packages) -> bool:
    """Whether the installed onnxruntime-genai has a builder that Olive 0.13's ModelBuilder pass can drive."""
    name = _genai(packages)
    return name is not None and _parts(packages.versions[name]) < (0, 15)


def _build_command(packages: Packages) -> str:
    """How to install Olive: it brings the plain onnxruntime, which must not overwrite another provider's."""
    own = "python -m venv .venv-build && .venv-build/bin/pip install 'olivepress[build]'"
    return BUILD if _plain_runtime(packages) else own


def _genai_command(packages: Packages) -> str:
    """How to install onnxruntime-genai without the plain onnxruntime where another provider's is installed."""
    return RUN if _plain_runtime(packages) else f"pip install --no-deps onnxruntime-genai=={GENAI_VERSION}"


def _plain_runtime(packages: Packages) -> bool:
    return set(_owners(packages)) <= {"onnxruntime"}


def _absent(module: str, packages: Packages) -> Finding:
    costs = {
        "olive": ("no Olive", "nothing can be fine-tuned or built here", _build_command(packages)),
        "onnxruntime": ("no ONNX Runtime", "nothing can be measured here; reports can be compared", RUN),
        "onnxruntime_genai": ("no genai", "no exported model can be opened here", _genai_command(packages)),
    }
    what, detail, fix = costs[module]
    return Finding(level="note", what=what, detail=detail, fix=fix)


def _genai_too_new(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    name = _genai(packages)
    if name is None or not packages.has("olive-ai") or _builder_works(packages):
        return
    version = packages.versions[name]
    error = "no module onnxruntime_genai.models.quantized_model"
    if _parts(version) < (0, 16):
        error = '"Hugging Face details not found in extra_options"'
    detail = f"{name} {version}: Olive's ModelBuilder pass fails: {error}"
    alone = "" if _plain_runtime(packages) else "--no-deps "
    fix = f"pip install {alone}{name}=={expected.get(name, GENAI_VERSION)}"
    yield _problem("genai too new", detail, fix, (name,))


def _transformers_too_new(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    version = packages.versions.get("transformers", "")
    if packages.has("olive-ai") and _parts(version) >= (5,):
        detail = f"transformers {version}: longrope models fail in the builder after a merge (KeyError: 'type')"
        fix = f"pip install transformers=={expected.get('transformers', '4.57.6')}"
        yield _problem("transformers too new", detail, fix, ("transformers",))


def _mlflow(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    version, arrow = packages.versions.get("mlflow", ""), packages.versions.get("pyarrow", "")
    if not version:
        return
    if _parts(version) < (3, 17, 2):
        detail = f"mlflow {version} is what pip falls back to beside pyarrow 26"
    elif _parts(version) >= (3, 18):
        detail = f"mlflow {version}: its sibling packages are missing"
    elif _parts(arrow) >= (26,):
        detail = f"pyarrow {arrow}: mlflow {version} wants less than 26"
    else:
        return
    yield _problem("mlflow and pyarrow", detail, MLFLOW, ("mlflow", "pyarrow"))


def _torch_with_cuda(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    nvidia = [name for name in packages.versions if name.startswith(("nvidia-c", "nvidia-n"))]
    if packages.has("torch") and nvidia:
        detail = f"{len(nvidia)} nvidia-* packages, several GB, and no NVIDIA GPU is here"
        torch = f"torch=={expected.get('torch') or packages.versions['torch'].partition('+')[0]}"
        fix = f"pip uninstall -y {' '.join(sorted(nvidia))} && pip install --force-reinstall --no-deps {torch}"
        yield Finding(
            level="note",
            what="torch with CUDA",
            detail=detail,
            fix=f"{fix} --index-url {CPU_TORCH}",
            packages=("torch", *nvidia),
        )


def _torchvision(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    if packages.has("torchvision", "optimum-intel"):
        detail = "optimum-intel's export fails where torchvision is installed"
        yield _problem("torchvision", detail, "pip uninstall -y torchvision", ("torchvision",))


def _cuda_generations(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    genai, gpu = (packages.versions.get(name, "") for name in ("onnxruntime-genai-cuda", "onnxruntime-gpu"))
    if genai and _parts(genai) < (0, 15) and _parts(gpu) >= (1, 27):
        detail = f"onnxruntime-genai-cuda {genai} is built for CUDA 12, onnxruntime-gpu {gpu} for CUDA 13"
        fix = "pip install 'onnxruntime-gpu>=1.26,<1.27'"
        yield _problem("two CUDA generations", detail, fix, ("onnxruntime-gpu",))


def _model_generate(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    if packages.has("model-generate"):
        detail = "PyPI's model-generate is not the AMD package that Olive's VitisAI passes import"
        yield _problem("model-generate", detail, "pip uninstall -y model-generate", ("model-generate",))


def _plugin_alone(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    plugins = [name for name in packages.versions if name == "onnxruntime-qnn" or name.startswith("onnxruntime-ep-")]
    if plugins and not any(folder.name == "onnxruntime" and folder.owners for folder in packages.folders):
        detail = f"{', '.join(plugins)}: a plugin needs ONNX Runtime beside it"
        fix = f"pip install onnxruntime=={expected.get('onnxruntime', '1.31.1')}"
        yield _problem("plugin alone", detail, fix, ("onnxruntime",))


def _folders(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    for folder in packages.folders:
        yield from _folder(folder, packages, expected)


def _folder(folder: Folder, packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    if len(folder.owners) > 1:
        yield _overwritten(folder, packages, expected)
    elif folder.damaged:
        (owner,) = folder.owners
        pinned = _pinned(owner, packages)
        detail = f"{folder.damaged[owner]} files of {owner} {packages.versions[owner]} are gone or another package's"
        fix = f"pip install --force-reinstall --no-deps {pinned}"
        yield _problem(f"{folder.name} damaged", detail, fix, (owner,))
    elif folder.left_behind or not folder.owners:
        yield _left_behind(folder, packages)


def _overwritten(folder: Folder, packages: Packages, expected: Mapping[str, str]) -> Finding:
    """Two distributions in one folder: the pinned one stays."""
    names = " and ".join(f"{owner} {packages.versions[owner]}" for owner in folder.owners)
    lost = ", ".join(f"{count} files of {owner} are overwritten" for owner, count in folder.damaged.items())
    keep = next((owner for owner in folder.owners if owner in expected), folder.owners[-1])
    others = " and ".join(owner for owner in folder.owners if owner != keep)
    return Finding(
        level="problem",
        what=f"two of {folder.name}",
        detail=f"{names} share the folder {folder.name}/{': ' if lost else ''}{lost}; "
        f"install {others} in an environment of its own",
        fix=f"pip uninstall -y {' '.join(folder.owners)} && pip install {_pinned(keep, packages)}",
        packages=folder.owners,
    )


def _left_behind(folder: Folder, packages: Packages) -> Finding:
    """Files that no installed package owns."""
    some = ", ".join(folder.left_behind[:3]) + (", …" if len(folder.left_behind) > 3 else "")
    again = _pinned(folder.owners[0], packages) if folder.owners else "'olivepress[cpu]'"
    return Finding(
        level="problem",
        what=f"{folder.name} left behind",
        detail=f"files in {folder.name}/ belong to no installed package{': ' if some else ''}{some}",
        fix=f'rm -r "$(python -c "import sysconfig; print(sysconfig.get_path(\'purelib\'))")/{folder.name}"'
        f" && pip install --force-reinstall --no-deps {again}",
        packages=folder.owners,
    )


def _drift(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    """Local versions (``2.13.0+cpu``) are those of the pin."""
    installed = {name: packages.versions[name].partition("+")[0] for name in expected if packages.has(name)}
    other = {name: version for name, version in installed.items() if version != expected[name]}
    if other:
        listed = ", ".join(f"{name} {version} ({expected[name]})" for name, version in sorted(other.items()))
        fix = "pip install " + " ".join(f"{name}=={expected[name]}" for name in sorted(other))
        detail = f"not the versions that were tested together: {listed}"
        yield Finding(level="note", what="other versions", detail=detail, fix=fix)
    elif installed:
        yield Finding(
            level="ok",
            what="versions",
            detail=f"the {len(installed)} pinned packages installed here have the versions that were tested together",
        )


def _owners(packages: Packages) -> Iterator[str]:
    for folder in packages.folders:
        if folder.name == "onnxruntime":
            yield from folder.owners


def _genai(packages: Packages) -> str | None:
    return next((name for name in GENAI if packages.has(name)), None)


def _pinned(name: str, packages: Packages) -> str:
    return f"{name}=={packages.versions[name]}"


def _parts(version: str) -> tuple[int, ...]:
    """``0.14.1rc2+cpu`` → (0, 14, 1); () for none."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


RULES: tuple[Rule, ...] = (
    _folders,
    _plugin_alone,
    _genai_too_new,
    _transformers_too_new,
    _mlflow,
    _torchvision,
    _cuda_generations,
    _model_generate,
)
