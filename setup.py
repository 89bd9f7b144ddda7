"""Puts recipes/ into the package: in a wheel they lie beside the code, in a checkout beside src/."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRecipes(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, "olivepress", "recipes")
        folder.mkdir(parents=True, exist_ok=True)
        for recipe in sorted(Path("recipes").glob("*.yaml")):
            copyfile(recipe, folder / recipe.name)


setup(cmdclass={"build_py": BuildWithRecipes})
