"""What SolverGrad adds to the notebook server: the library's pages at /docs, and the start page.

Both are for whoever may see the notebooks: the same token or cookie.
"""
import asyncio
import os

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

import solvergrad_start

DOCS = "/opt/solvergrad/docs"
SOURCES = ("/lab/crate/src", "/lab/data/results/README.md")
MAKE = "/lab/docker/docs/make.sh"


def changed():
    """When the sources of the pages were last changed, in seconds since 1970."""
    files = [os.path.join(folder, name) for source in SOURCES for folder, _, names in os.walk(source) for name in names]
    return max((os.path.getmtime(path) for path in [*files, *filter(os.path.isfile, SOURCES)]), default=0)


class Maker:
    """Makes the pages when they are first asked for, and again after the library was edited."""

    def __init__(self):
        self.lock, self.tried, self.failure = asyncio.Lock(), None, ""

    async def run(self, log):
        """Pages in place as far as they can be made; else `failure` says why not."""
        async with self.lock:
            index = os.path.join(DOCS, "index.html")
            now = changed()
            if now == self.tried or os.path.isfile(index) and os.path.getmtime(index) > now:
                return
            process = await asyncio.create_subprocess_exec(MAKE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
            said, _ = await process.communicate()
            self.tried, self.failure = now, "" if process.returncode == 0 else said.decode(errors="replace")
            if self.failure:
                log.warning("the library's pages: %s", self.failure)


MAKER = Maker()


class Pages(JupyterHandler, web.StaticFileHandler):
    """The library's pages; where an edit cannot be shown the ones before it stay."""

    auth_resource = "contents"

    @web.authenticated
    async def get(self, path, include_body=True):
        if path in ("", "index.html") or path.endswith(".html"):
            await MAKER.run(self.log)
        if MAKER.failure and not os.path.isdir(self.root):
            self.set_status(500)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"The library's pages could not be made (`lab docs` makes them):\n\n{MAKER.failure}")
            return
        await web.StaticFileHandler.get(self, path, include_body)

    @web.authenticated
    async def head(self, path):
        await self.get(path, include_body=False)

    def set_extra_headers(self, path):
        self.set_header("Cache-Control", "no-cache")


class Start(JupyterHandler):
    """The start page, which JupyterLab shows in a tab of its own."""

    auth_resource = "contents"

    @web.authenticated
    async def get(self):
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(await asyncio.to_thread(solvergrad_start.page, self.contents_manager.root_dir, self.base_url))


def _jupyter_server_extension_points():
    return [{"module": "solvergrad_lab"}]


def _load_jupyter_server_extension(server):
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [
        (url_path_join(base, "docs"), web.RedirectHandler, {"url": url_path_join(base, "docs/")}),
        (url_path_join(base, "docs/(.*)"), Pages, {"path": DOCS, "default_filename": "index.html"}),
        (url_path_join(base, "solvergrad/start"), Start),
    ])
