"use strict";
// Draws the charts: those in sight at once, the others one by one whenever the browser is idle.
(() => {
  const charts = [...document.querySelectorAll(".chart")];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const specs = new Map();
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d"] };

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const [ink, quiet, grid, line, card] = ["ink", "quiet", "grid", "line", "card"].map((name) =>
      style.getPropertyValue("--" + name).trim()
    );
    const found = { ...layout };
    found.font = { ...layout.font, color: ink, size: 12, family: getComputedStyle(document.body).fontFamily };
    found.hoverlabel = { ...layout.hoverlabel, bgcolor: card, bordercolor: line, font: { color: ink } };
    found.modebar = { bgcolor: "rgba(0,0,0,0)", color: quiet, activecolor: ink };
    for (const key of Object.keys(layout).filter((name) => /^[xy]axis/.test(name))) {
      found[key] = { gridcolor: grid, linecolor: line, tickcolor: line, ...layout[key] };
      found[key].tickfont = { color: quiet, ...layout[key].tickfont };
    }
    return found;
  }

  function draw(chart) {
    if (specs.has(chart)) return;
    const spec = JSON.parse(chart.nextElementSibling.textContent);
    specs.set(chart, spec);
    Plotly.newPlot(chart, spec.data, themed(spec.layout), config);
    watcher.unobserve(chart);
    if (specs.size === charts.length) document.documentElement.dataset.drawn = String(charts.length);
  }

  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
    { rootMargin: "200px" }
  );
  charts.forEach((chart) => watcher.observe(chart));

  const later = window.requestIdleCallback || ((work) => setTimeout(work, 20));
  function next() {
    const chart = charts.find((candidate) => !specs.has(candidate));
    if (chart) {
      draw(chart);
      later(next);
    }
  }
  later(next);
  if (!charts.length) document.documentElement.dataset.drawn = "0";

  dark.addEventListener("change", () =>
    specs.forEach((spec, chart) => Plotly.react(chart, spec.data, themed(spec.layout), config))
  );
})();
