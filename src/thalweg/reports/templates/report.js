"use strict";
// Draws every figure of the page and follows the reader's light or dark setting; printing is always light.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const phone = window.matchMedia("(max-width: 640px)");
  const colours = (isDark) => ({
    "font.color": isDark ? "#e6e4df" : "#22262b",
    "xaxis.gridcolor": isDark ? "rgba(255,255,255,0.13)" : "rgba(0,0,0,0.10)",
    "yaxis.gridcolor": isDark ? "rgba(255,255,255,0.13)" : "rgba(0,0,0,0.10)",
    "hoverlabel.bgcolor": isDark ? "#2b3036" : "#ffffff",
    "hoverlabel.font.color": isDark ? "#e6e4df" : "#22262b",
  });
  const drawn = [];
  const paint = (isDark) => drawn.forEach((element) => Plotly.relayout(element, colours(isDark)));

  const draw = async (figure) => {
    const element = figure.querySelector(".plot");
    const content = JSON.parse(figure.querySelector("script").textContent);
    const layout = content.layout;
    layout.autosize = true;
    if (phone.matches) {
      // Beside the plot a legend would take half of a phone's width: it goes below, two entries a row.
      const named = content.data.filter((trace) => trace.name).length;
      const room = named > 1 ? 24 * Math.max(2, Math.ceil(named / 2)) : 0;
      layout.legend = {
        orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0.01, yanchor: "bottom",
        font: { size: 11 },
      };
      layout.font.size = 11;
      layout.height += room;
      layout.margin.b = room + 50;
      layout.margin.r = 6;
      layout.xaxis.automargin = false;
      element.style.height = `${layout.height}px`;
    }
    await Plotly.newPlot(element, content.data, layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: phone.matches ? false : "hover",
      modeBarButtonsToRemove: ["lasso2d", "select2d"],
    });
    drawn.push(element);
    await Plotly.relayout(element, colours(dark.matches));
  };

  const start = async () => {
    for (const figure of document.querySelectorAll("figure[data-plot]")) {
      await draw(figure);
    }
    dark.addEventListener("change", (event) => paint(event.matches));
    window.addEventListener("beforeprint", () => paint(false));
    window.addEventListener("afterprint", () => paint(dark.matches));
    document.documentElement.dataset.figures = String(drawn.length);
  };
  start();
})();
