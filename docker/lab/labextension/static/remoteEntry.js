// The start page and the library's pages in JupyterLab. Written as the bundler would leave it, a
// container of one module that takes JupyterLab's own packages from the shared ones, so that there
// is nothing to bundle.
(window._JUPYTERLAB ??= {})["solvergrad-lab"] = (() => {
  let shared;
  const load = async name => (await Object.values(shared[name])[0].get())();

  const extension = async () => {
    const [apputils, coreutils, launching, services, icons, widgets] = await Promise.all(
      ["@jupyterlab/apputils", "@jupyterlab/coreutils", "@jupyterlab/launcher", "@jupyterlab/services",
        "@jupyterlab/ui-components", "@lumino/widgets"].map(load));
    const base = coreutils.PageConfig.getBaseUrl();

    // Shows `content` as a tab named `id`, or the tab where it is open already.
    const show = (app, id, label, icon, content) => {
      const open = [...app.shell.widgets("main")].find(widget => widget.id === id);
      if (!open) {
        const widget = new apputils.MainAreaWidget({ content: content() });
        widget.id = id;
        Object.assign(widget.title, { label, icon, closable: true });
        app.shell.add(widget, "main");
      }
      app.shell.activateById(id);
    };

    const start = app => {
      const content = new widgets.Widget();
      const { serverSettings } = app.serviceManager;
      services.ServerConnection.makeRequest(base + "solvergrad/start", {}, serverSettings)
        .then(async answer => {
          if (!answer.ok) throw new services.ServerConnection.ResponseError(answer);
          content.node.innerHTML = await answer.text();
        })
        .catch(error => { content.node.textContent = `The start page: ${error.message}`; });
      content.node.addEventListener("click", event => {
        const path = event.target.closest("[data-path]")?.dataset.path;
        if (!path || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        app.commands.execute("docmanager:open", { path });
      });
      return content;
    };

    const pages = () => {
      const frame = new apputils.IFrame({ sandbox: ["allow-same-origin", "allow-scripts", "allow-popups", "allow-forms"] });
      frame.url = base + "docs/solvergrad/index.html";
      return frame;
    };

    return {
      id: "solvergrad-lab:extension",
      description: "The start page and the library's pages",
      autoStart: true,
      optional: [launching.ILauncher, apputils.ICommandPalette],
      activate: (app, launcher, palette) => {
        const commands = {
          "solvergrad:start": ["Start", "A card for each notebook", icons.homeIcon, start],
          "solvergrad:docs": ["Docs", "The library's pages", icons.infoIcon, pages],
        };
        Object.entries(commands).forEach(([command, [label, caption, icon, content]], rank) => {
          app.commands.addCommand(command, {
            label, caption, icon, execute: () => show(app, command, label, icon, () => content(app)),
          });
          launcher?.add({ command, category: "SolverGrad", rank });
          palette?.addItem({ command, category: "SolverGrad" });
        });
        // Where nothing else is open.
        app.restored.then(() => {
          const open = [...app.shell.widgets("main")];
          if (open.every(widget => widget.id.startsWith("launcher"))) {
            app.commands.execute("solvergrad:start");
            open.forEach(widget => widget.dispose());
          }
        });
      },
    };
  };

  return {
    init: scope => { shared = scope; },
    get: async () => {
      const plugin = await extension();
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
