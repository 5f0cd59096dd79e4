"use strict";
// Draws each chart when it is near the visible part of the page, and all charts before printing.
(() => {
  const charts = [...document.querySelectorAll(".chart")];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const specs = new Map();
  const near = new Set();
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d"] };

  // Plotly is embedded as text and runs later: it takes longer than everything else, and the text must not wait for it.
  function loadPlotly() {
    if (window.Plotly) return;
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
  }

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const [ink, quiet, grid, line, card] = ["ink", "quiet", "grid", "line", "card"].map((name) =>
      style.getPropertyValue("--" + name).trim()
    );
    const result = { ...layout };
    result.font = { ...layout.font, color: ink, size: 12, family: getComputedStyle(document.body).fontFamily };
    result.hoverlabel = { ...layout.hoverlabel, bgcolor: card, bordercolor: line, font: { color: ink } };
    result.modebar = { bgcolor: "rgba(0,0,0,0)", color: quiet, activecolor: ink };
    for (const key of Object.keys(layout).filter((name) => /^[xy]axis/.test(name))) {
      result[key] = { gridcolor: grid, linecolor: line, tickcolor: line, ...layout[key] };
      result[key].tickfont = { color: quiet, ...layout[key].tickfont };
    }
    return result;
  }

  function draw(chart) {
    if (specs.has(chart)) return;
    loadPlotly();
    const spec = JSON.parse(chart.nextElementSibling.textContent);
    specs.set(chart, spec);
    Plotly.newPlot(chart, spec.data, themed(spec.layout), config);
    watcher.unobserve(chart);
    near.delete(chart);
    showProgress();
  }

  function showProgress() {
    document.documentElement.dataset.drawn = `${specs.size} of ${charts.length}`;
  }

  // One chart at a time, the topmost first, so that scrolling stays smooth.
  const later = window.requestIdleCallback || ((work) => setTimeout(work, 20));
  function next() {
    const chart = charts.find((candidate) => near.has(candidate));
    if (!chart) return;
    draw(chart);
    later(next, { timeout: 200 });
  }

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) entry.isIntersecting ? near.add(entry.target) : near.delete(entry.target);
      later(next, { timeout: 200 });
    },
    { rootMargin: "400px" }
  );
  showProgress();
  if (charts.length) {
    window.addEventListener("load", () => {
      charts.forEach((chart) => watcher.observe(chart));
      later(loadPlotly);
    });
  }
  window.addEventListener("beforeprint", () => charts.forEach(draw));
  dark.addEventListener("change", () =>
    specs.forEach((spec, chart) => Plotly.react(chart, spec.data, themed(spec.layout), config))
  );
})();
