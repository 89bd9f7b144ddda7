"""Known broken sets of packages, each with its fix (docs/compatibility.md). Pure: what is installed → findings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

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
GENAI = ("onnxruntime-genai", "onnxruntime-genai-cuda", "onnxruntime-genai-directml")
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

# What importing a module told: its version, or in words why it cannot be imported.
ImportProbe = tuple[bool, str]
Rule = Callable[[Packages, Mapping[str, str]], Iterator[Finding]]


def package_findings(packages: Packages, expected: Mapping[str, str], *, gpu: bool = False) -> list[Finding]:
    """Every rule's findings, then one note for all other versions that differ from the pinned ones.

    ``gpu``: whether there is an NVIDIA GPU, so that PyTorch's CUDA libraries are wanted.
    """
    rules = RULES if gpu else (*RULES, _torch_with_cuda)
    findings = [finding for rule in rules for finding in rule(packages, expected)]
    told = " ".join(finding.fix or "" for finding in findings)
    others = {name: pin for name, pin in expected.items() if not re.search(rf"(?<![\w-]){name}\b(?!-)", told)}
    return findings + list(_drift(packages, others))


def import_findings(packages: Packages, imports: Mapping[str, ImportProbe]) -> Iterator[Finding]:
    """What is absent and what that costs; what is installed and cannot be imported. ``imports``: module → outcome.

    Of a module whose folder is not whole nothing is said here: ``package_findings`` says why.
    """
    damaged = {folder.name for folder in packages.folders if len(folder.owners) != 1 or folder.damaged}
    named = {"olive": ("olive-ai",), "onnxruntime_genai": GENAI, "onnxruntime": tuple(_owners(packages))}
    for module, (works, told) in imports.items():
        installed = [name for name in named[module] if packages.has(name)]
        if not installed and not works:
            yield _absent(module, packages)
        elif works:
            name = " and ".join(installed) or module
            yield Finding(level="ok", what=f"{name} {told}".rstrip(), detail="can be imported")
        elif module == "olive" and "requests" in told:
            detail = "import olive fails: it uses requests and does not declare it"
            yield Finding(level="problem", what="no requests", detail=detail, fix="pip install 'requests>=2.32'")
        elif module not in damaged:
            again = f"pip install --force-reinstall --no-deps {_pinned(installed[0], packages)}" if installed else RUN
            fix = _build_command(packages) if module == "olive" else again
            yield Finding(level="problem", what=f"{module} broken", detail=f"it cannot be imported: {told}", fix=fix)


def _builder_works(packages: Packages) -> bool:
    """Whether the installed onnxruntime-genai has a builder that Olive 0.13's ModelBuilder pass can drive."""
    found = _genai(packages)
    return found is not None and _parts(packages.versions[found]) < (0, 15)


def _build_command(packages: Packages) -> str:
    """How to get Olive: it brings the plain onnxruntime, which must not lie over another provider's."""
    own = "python -m venv .venv-build && .venv-build/bin/pip install 'olivepress[build]'"
    return BUILD if _plain_runtime(packages) else own


def _genai_command(packages: Packages) -> str:
    """How to get onnxruntime-genai without the plain onnxruntime where another provider's is installed."""
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
    says = (
        '"Hugging Face details not found in extra_options"'
        if _parts(version) < (0, 16)
        else "no module onnxruntime_genai.models.quantized_model"
    )
    detail = f"{name} {version}: Olive's ModelBuilder pass fails: {says}"
    alone = "" if _plain_runtime(packages) else "--no-deps "
    fix = f"pip install {alone}{name}=={expected.get(name, GENAI_VERSION)}"
    yield Finding(level="problem", what="genai too new", detail=detail, fix=fix)


def _transformers_too_new(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    version = packages.versions.get("transformers", "")
    if packages.has("olive-ai") and _parts(version) >= (5,):
        detail = f"transformers {version}: longrope models fail in the builder after a merge (KeyError: 'type')"
        fix = f"pip install transformers=={expected.get('transformers', '4.57.6')}"
        yield Finding(level="problem", what="transformers too new", detail=detail, fix=fix)


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
    yield Finding(level="problem", what="mlflow and pyarrow", detail=detail, fix=MLFLOW)


def _torch_with_cuda(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    nvidia = [name for name in packages.versions if name.startswith(("nvidia-c", "nvidia-n"))]
    if packages.has("torch") and nvidia:
        detail = f"{len(nvidia)} nvidia-* packages, several GB, and no NVIDIA GPU is here"
        torch = f"torch=={expected.get('torch') or packages.versions['torch'].partition('+')[0]}"
        fix = f"pip uninstall -y {' '.join(sorted(nvidia))} && pip install --force-reinstall --no-deps {torch}"
        yield Finding(level="note", what="torch with CUDA", detail=detail, fix=f"{fix} --index-url {CPU_TORCH}")


def _torchvision(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    if packages.has("torchvision", "optimum-intel"):
        detail = "optimum-intel's export fails where torchvision is installed"
        yield Finding(level="problem", what="torchvision", detail=detail, fix="pip uninstall -y torchvision")


def _cuda_generations(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    genai, gpu = (packages.versions.get(name, "") for name in ("onnxruntime-genai-cuda", "onnxruntime-gpu"))
    if genai and _parts(genai) < (0, 15) and _parts(gpu) >= (1, 27):
        detail = f"onnxruntime-genai-cuda {genai} is built for CUDA 12, onnxruntime-gpu {gpu} for CUDA 13"
        fix = "pip install 'onnxruntime-gpu>=1.26,<1.27'"
        yield Finding(level="problem", what="two CUDA generations", detail=detail, fix=fix)


def _model_generate(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    if packages.has("model-generate"):
        detail = "PyPI's model-generate is not the AMD package that Olive's VitisAI passes import"
        yield Finding(level="problem", what="model-generate", detail=detail, fix="pip uninstall -y model-generate")


def _plugin_alone(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    plugins = [name for name in packages.versions if name == "onnxruntime-qnn" or name.startswith("onnxruntime-ep-")]
    if plugins and not any(folder.name == "onnxruntime" and folder.owners for folder in packages.folders):
        detail = f"{', '.join(plugins)}: a plugin needs ONNX Runtime beside it"
        fix = f"pip install onnxruntime=={expected.get('onnxruntime', '1.31.1')}"
        yield Finding(level="problem", what="plugin alone", detail=detail, fix=fix)


def _folders(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    for folder in packages.folders:
        yield from _folder(folder, packages, expected)


def _folder(folder: Folder, packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    names = [f"{owner} {packages.versions[owner]}" for owner in folder.owners]
    if len(folder.owners) > 1:
        lost = ", ".join(f"{count} files of {owner} are overwritten" for owner, count in folder.damaged.items())
        detail = f"{' and '.join(names)} share the folder {folder.name}/" + (f": {lost}" if lost else "")
        keep = next((owner for owner in folder.owners if owner in expected), folder.owners[-1])
        fix = f"pip uninstall -y {' '.join(folder.owners)} && pip install {_pinned(keep, packages)}"
        others = " and ".join(owner for owner in folder.owners if owner != keep)
        detail += f"; {others} belongs into an environment of its own"
        yield Finding(level="problem", what=f"two of {folder.name}", detail=detail, fix=fix)
    elif folder.damaged:
        (owner,) = folder.owners
        detail = f"{folder.damaged[owner]} files of {names[0]} are gone or another package's"
        fix = f"pip install --force-reinstall --no-deps {_pinned(owner, packages)}"
        yield Finding(level="problem", what=f"{folder.name} damaged", detail=detail, fix=fix)
    elif folder.left_behind or not folder.owners:
        some = ", ".join(folder.left_behind[:3]) + (", …" if len(folder.left_behind) > 3 else "")
        detail = f"files in {folder.name}/ belong to no installed package" + (f": {some}" if some else "")
        again = _pinned(folder.owners[0], packages) if folder.owners else "'olivepress[cpu]'"
        yield Finding(
            level="problem",
            what=f"{folder.name} left behind",
            detail=detail,
            fix=f'rm -r "$(python -c "import sysconfig; print(sysconfig.get_path(\'purelib\'))")/{folder.name}"'
            f" && pip install --force-reinstall --no-deps {again}",
        )


def _drift(packages: Packages, expected: Mapping[str, str]) -> Iterator[Finding]:
    """Local versions (``2.13.0+cpu``) are those of the pin."""
    found = {name: packages.versions[name].partition("+")[0] for name in expected if packages.has(name)}
    other = {name: version for name, version in found.items() if version != expected[name]}
    if other:
        listed = ", ".join(f"{name} {version} ({expected[name]})" for name, version in sorted(other.items()))
        fix = "pip install " + " ".join(f"{name}=={expected[name]}" for name in sorted(other))
        detail = f"not what was tried together: {listed}"
        yield Finding(level="note", what="other versions", detail=detail, fix=fix)
    elif found:
        yield Finding(
            level="ok",
            what="versions",
            detail=f"the {len(found)} pinned packages that are installed are those tried together",
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
