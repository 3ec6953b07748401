"""Two commands of setuptools that do what `pyproject.toml` cannot say; it names them in `tool.setuptools.cmdclass`."""

import os
import shutil
from glob import glob

from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist
from setuptools.errors import CompileError

COMPILER_NEEDED = (
    "the compiled engine needs GCC or Clang, on Windows clang-cl on the PATH (from LLVM or Visual Studio's installer); "
    "without it skl2net runs on its reference engine, which is much slower"
)


class BuildExt(build_ext):
    """Build the engine with GCC, Clang or clang-cl; without one of them, make a package for any platform."""

    def finalize_options(self):
        """Rebuild where a header has changed."""
        super().finalize_options()
        for extension in self.extensions:
            extension.depends = sorted(glob("skl2net/engines/kernels/**/*.h", recursive=True))

    def build_extension(self, extension):
        """Put clang-cl in the place of MSVC, and leave debug information out unless CFLAGS asks for it."""
        if self.compiler.compiler_type == "msvc":
            if not self.compiler.initialized:
                self.compiler.initialize(self.plat_name)
            self.compiler.cc = shutil.which("clang-cl")
            if self.compiler.cc is None:
                raise CompileError(COMPILER_NEEDED)
            extension.extra_compile_args = [f"/clang:{option}" for option in extension.extra_compile_args]
        elif "-g" not in os.environ.get("CFLAGS", "").split():
            extension.extra_compile_args.append("-g0")
        super().build_extension(extension)

    def run(self):
        """Build; a wheel without the optional extension is one for any platform."""
        super().run()
        wheel = self.distribution.get_command_obj("bdist_wheel", create=False)
        if wheel is not None and not any(map(os.path.exists, self.get_outputs())):
            self.distribution.ext_modules = []
            wheel.root_is_pure = True


class SourceDistribution(sdist):
    """All that the repository has, so that an unpacked archive can be tested as a checkout can."""

    def make_distribution(self):
        """Add what no package contains, and leave out what was built."""
        for folder in (".ci", "docs", "examples", "skl2net", "tests"):
            self.filelist.graft(folder)
        for built in ("docs/_build", "docs/auto_examples", "docs/generated"):
            self.filelist.prune(built)
        for built in ("*.py[cod]", "*.so", "*.pyd", "_compiled.c"):
            self.filelist.global_exclude(built)
        super().make_distribution()
