// Draws the charts with uPlot from the page's data, sorts tables, and switches between light and
// dark. Without it the page's tables, phases and picture are all there.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var FONT = '12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif';

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }
  function seconds(ms) { return ms / 1000; }
  function pow10(x) { return Math.pow(10, Math.floor(Math.log10(x))); }

  // ---- axes and frames that all charts share

  function axis(label, extra) {
    return Object.assign({
      stroke: colour("dim"), font: FONT, labelFont: FONT, label: label, labelSize: 20, size: 46,
      labelGap: 0, grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1, size: 4 }
    }, extra);
  }
  function below(label) { return axis(label, { size: 30, space: 70 }); }

  function options(height, extra) {
    return Object.assign({
      height: height, padding: [14, 20, 0, 0],
      legend: { live: true, markers: { width: 2 } },
      cursor: { drag: { x: true, y: false, dist: 4 }, points: { size: 6 } }
    }, extra);
  }

  // All charts of a run's time are zoomed together.
  function ofTime(extra) {
    extra.scales = Object.assign({ x: { time: false } }, extra.scales);
    extra.cursor = { drag: { x: true, y: false, dist: 4 }, points: { size: 6 }, sync: { key: "time", scales: ["x", null], setSeries: false } };
    extra.hooks = { draw: [marks].concat(extra.draw || []) };
    delete extra.draw;
    return extra;
  }

  // The faults and restores.
  function marks(u) {
    var c = u.ctx, box = u.bbox, ratio = devicePixelRatio;
    c.save();
    c.font = FONT.replace("12px", Math.round(11 * ratio) + "px");
    c.textBaseline = "bottom";
    c.textAlign = "left";
    var free = -1e9;
    data.marks.forEach(function (mark) {
      var x = u.valToPos(seconds(mark.at_ms), "x", true);
      if (x < box.left - 1 || x > box.left + box.width + 1) { return; }
      c.strokeStyle = c.fillStyle = colour(mark.restore ? "good" : "bad");
      c.lineWidth = 1.2 * ratio;
      c.setLineDash([4 * ratio, 3 * ratio]);
      c.beginPath();
      c.moveTo(x, box.top);
      c.lineTo(x, box.top + box.height);
      c.stroke();
      c.setLineDash([]);
      var width = c.measureText(mark.text).width, right = box.left + box.width;
      var at = Math.min(x, right - width);
      if (at > free) { c.fillText(mark.text, at, box.top - ratio); free = at + width + 6 * ratio; }
    });
    c.restore();
  }

  function none() { return null; }
  function dots(label, stroke, size) {
    return { label: label, stroke: stroke, paths: none, points: { show: true, size: size, width: 0, fill: stroke, stroke: stroke } };
  }
  function fixed(unit, digits) {
    return function (u, value) { return value == null ? "–" : value.toFixed(digits) + unit; };
  }

  // ---- a run

  function timeline(index) {
    var flow = data.timeline[index], n = flow.lost.length, x = [], all = [], got = [];
    for (var i = 0; i < n; i++) {
      x.push(seconds(flow.from_ms + i * flow.step_ms));
      got.push(flow.delivered[i]);
      all.push(flow.delivered[i] + flow.lost[i]);
    }
    // The last bin has a right edge as well.
    x.push(seconds(flow.from_ms + n * flow.step_ms)); got.push(got[n - 1]); all.push(all[n - 1]);
    function count(of) { return function (u, v, s, i) { return i == null ? "–" : String(of[Math.min(i, n - 1)]); }; }
    var stepped = uPlot.paths.stepped({ align: 1 });
    return [options(170, ofTime({
      scales: { y: { range: function (u, low, high) { return [0, Math.max(1, high * 1.08)]; } } },
      axes: [below(data.zero), axis("packets")],
      series: [
        { label: "at", value: fixed(" s", 3) },
        { label: "lost", stroke: colour("loss"), fill: colour("loss"), width: 1, paths: stepped, points: { show: false }, value: count(flow.lost) },
        { label: "delivered", stroke: colour("delivered"), fill: colour("delivered"), width: 1, paths: stepped, points: { show: false }, value: count(flow.delivered) }
      ]
    })), [x, all, got]];
  }

  function delays() {
    var tables = data.delays.map(function (flow) { return [flow.at_ms.map(seconds), flow.ms]; });
    var joined = tables.length > 1 ? uPlot.join(tables) : tables[0];
    return [options(240, ofTime({
      scales: { y: { range: function (u, low, high) { return low == null ? [0, 1] : [0, high * 1.06]; } } },
      axes: [below(data.zero), axis("ms")],
      series: [{ label: "at", value: fixed(" s", 3) }].concat(data.delays.map(function (flow, i) {
        return Object.assign(dots(flow.name, colour("s" + i % 6), 3), { value: fixed(" ms", 3) });
      }))
    })), joined];
  }

  // One load to a chart: a call is nothing beside a bulk transfer.
  function load(index) {
    var one = data.load[index], n = one.mbit.length, ends = window_of_time();
    var x = one.mbit.map(function (v, i) { return seconds(one.from_ms + i * one.step_ms); }), y = one.mbit.slice();
    // The last interval has a right edge as well; before and after it the axis goes on as the other charts' do.
    if (n) { x.push(seconds(one.from_ms + n * one.step_ms)); y.push(y[n - 1]); }
    if (n && ends[0] < x[0]) { x.unshift(ends[0]); y.unshift(null); }
    if (n && ends[1] > x[x.length - 1]) { x.push(ends[1]); y.push(null); }
    return [options(190, ofTime({
      scales: { y: { range: function (u, low, high) { return [0, Math.max(0.1, (high || 0) * 1.06)]; } } },
      axes: [below(data.zero), axis("Mbit/s")],
      series: [{ label: "at", value: fixed(" s", 3) }, {
        label: one.name, stroke: colour("s" + index % 6), width: 1.5, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false }, value: fixed(" Mbit/s", 2)
      }]
    })), [x, y]];
  }

  function window_of_time() {
    var ends = [];
    data.timeline.forEach(function (flow) { ends.push(flow.from_ms, flow.from_ms + flow.lost.length * flow.step_ms); });
    data.lanes.forEach(function (lane) { lane.spans.forEach(function (s) { ends.push(s.from_ms, s.to_ms); }); });
    return [seconds(Math.min.apply(null, ends)), seconds(Math.max.apply(null, ends))];
  }

  var LANE = 34;
  function lanes() {
    function draw(u) {
      var c = u.ctx, box = u.bbox, ratio = devicePixelRatio, small = FONT.replace("12px", Math.round(11 * ratio) + "px");
      c.save();
      c.beginPath(); c.rect(box.left, box.top, box.width, box.height); c.clip();
      data.lanes.forEach(function (lane, row) {
        var top = box.top + row * LANE * ratio;
        lane.spans.forEach(function (s) {
          var a = u.valToPos(seconds(s.from_ms), "x", true), b = u.valToPos(seconds(s.to_ms), "x", true);
          c.fillStyle = colour({ up: "up", down: "loss", cut: "first", other: "other" }[s.class]);
          c.fillRect(a, top + 17 * ratio, Math.max(b - a, ratio), 12 * ratio);
        });
        c.font = small; c.textBaseline = "alphabetic"; c.textAlign = "left"; c.fillStyle = colour("ink");
        c.fillText(lane.name, box.left + 4 * ratio, top + 13 * ratio);
      });
      c.restore();
    }
    function states(u, v, s, i) {
      if (u.cursor.left == null || u.cursor.left < 0) { return "–"; }
      var ms = u.posToVal(u.cursor.left, "x") * 1000, lane = data.lanes[Math.floor((u.cursor.top || 0) / LANE)];
      if (!lane) { return "–"; }
      var span = lane.spans.find(function (s) { return s.from_ms <= ms && ms < s.to_ms; });
      return lane.name + ": " + (span ? span.text : "–");
    }
    var ends = window_of_time(), x = [];
    for (var i = 0; i <= 400; i++) { x.push(ends[0] + (ends[1] - ends[0]) * i / 400); }
    return [options(data.lanes.length * LANE + 70, ofTime({
      scales: { y: { range: [0, 1] } },
      // As wide as the other charts' figures, so that the same instant is in the same place.
      axes: [below(data.zero), axis(" ", { values: function (u, v) { return v.map(function () { return ""; }); }, grid: { show: false }, ticks: { show: false } })],
      series: [
        { label: "at", value: fixed(" s", 3) },
        { label: "state", stroke: "transparent", points: { show: false }, value: states }
      ],
      draw: [draw]
    })), [x, x.map(function () { return 0; })]];
  }

  // ---- a series of trials

  function steps(sorted) {
    return sorted.map(function (v, i) { return (i + 1) / sorted.length; });
  }

  function ecdf(index) {
    var d = data.distributions[index], tables = [], series = [{ label: "at most", value: fixed(" ms", 1) }];
    var stepped = uPlot.paths.stepped({ align: 1 });
    function add(label, x, y, stroke, extra) {
      // Of equal values the last has the share.
      var xs = [], ys = [];
      x.forEach(function (v, i) { if (xs[xs.length - 1] === v) { ys[ys.length - 1] = y[i]; } else { xs.push(v); ys.push(y[i]); } });
      tables.push([xs, ys]);
      series.push(Object.assign({ label: label, stroke: stroke, width: 2, spanGaps: true, points: { show: false }, value: function (u, v) { return v == null ? "–" : (100 * v).toFixed(1) + " %"; } }, extra));
    }
    function from0(x) { return x.length ? [x[0] - 1e-6].concat(x) : x; }
    function share(x) { return x.length ? [0].concat(steps(x)) : x; }
    add("outage", from0(d.outages_ms), share(d.outages_ms), colour("s0"), { paths: stepped });
    if (d.detected_ms.length) { add("detection", from0(d.detected_ms), share(d.detected_ms), colour("s1"), { paths: stepped }); }
    if (d.predicted) {
      add("predicted detection", d.predicted.map(function (p) { return p[0]; }), d.predicted.map(function (p) { return p[1]; }), colour("ink"), { dash: [6, 4], width: 1.5 });
    }
    return [options(260, {
      scales: { x: { time: false }, y: { range: [0, 1.02] } },
      axes: [below("milliseconds"), axis("share of trials", { values: function (u, v) { return v.map(function (y) { return Math.round(100 * y) + " %"; }); } })],
      series: series
    }), uPlot.join(tables)];
  }

  // Every variant's distribution; more than six share colours, and are dashed.
  function variants(index) {
    var tables = [], series = [{ label: "at most", value: fixed(" ms", 1) }];
    data.groups[index].variants.forEach(function (variant, i) {
      var xs = [], ys = [], values = variant.outages_ms, n = values.length;
      values.forEach(function (v, k) { if (xs[xs.length - 1] === v) { ys[ys.length - 1] = (k + 1) / n; } else { xs.push(v); ys.push((k + 1) / n); } });
      if (n) { xs.unshift(xs[0] - 1e-6); ys.unshift(0); }
      tables.push([xs, ys]);
      var turn = Math.floor(i / 6);
      series.push({
        label: variant.name, stroke: colour("s" + i % 6), width: 2, dash: turn ? [2 + 4 * turn, 4] : null, spanGaps: true,
        paths: uPlot.paths.stepped({ align: 1 }), points: { show: false },
        value: function (u, v) { return v == null ? "–" : (100 * v).toFixed(1) + " %"; }
      });
    });
    return [options(260, {
      scales: { x: { time: false }, y: { range: [0, 1.02] } },
      axes: [below("milliseconds"), axis("share of trials", { values: function (u, v) { return v.map(function (y) { return Math.round(100 * y) + " %"; }); } })],
      series: series
    }), uPlot.join(tables)];
  }

  function strip(index) {
    var d = data.distributions[index], values = d.values, n = values.length;
    var low = values[0][1], high = values[n - 1][1];
    // Freedman and Diaconis' width, rounded down; some 150 intervals at most.
    var q = function (p) { return values[Math.round(p * (n - 1))][1]; };
    var wide = Math.max(2 * (q(0.75) - q(0.25)) / Math.cbrt(n), (high - low) / 60, 0.1);
    var power = pow10(wide), edge, step = [5, 2, 1].map(function (m) { return m * power; }).find(function (s) { return s <= wide; });
    var first = Math.floor(low / step), bins = Math.floor(high / step) - first + 1, counts = [];
    for (var b = 0; b < bins; b++) { counts.push(0); }
    values.forEach(function (v) { counts[Math.min(bins - 1, Math.floor(v[1] / step) - first)]++; });
    var most = Math.max.apply(null, counts);
    var hx = counts.map(function (c, i) { return (first + i) * step; });
    hx.push((first + bins) * step);
    edge = 0.04 * bins * step;
    var tables = [[hx, counts.concat([counts[bins - 1]])]];
    // Below the bars every value is a dot; its height only keeps dots apart.
    var groups = [[], [], []];
    values.forEach(function (v) { groups[v[2]].push(v); });
    groups.forEach(function (group) {
      var seen = {}, xs = [], ys = [];
      group.forEach(function (v) {
        // Equal values cannot share a place on the axis; a millionth apart nobody sees.
        var x = v[1]; while (seen[x]) { x += 1e-6; } seen[x] = true;
        xs.push(x); ys.push(-most * (0.1 + 0.25 * ((v[0] * 0.61803398875) % 1)));
      });
      tables.push([xs, ys]);
    });
    var trial = {};
    values.forEach(function (v) { trial[v[1]] = v[0]; });
    function who(u, v, s, i) {
      if (i == null || v == null) { return "–"; }
      var x = u.data[0][i], number = trial[Math.round(x * 1e3) / 1e3];
      return x.toFixed(1) + " ms" + (number ? " (trial " + number + ")" : "");
    }
    return [options(260, {
      scales: { x: { time: false, range: function (u, a, b) { return a === hx[0] || a == null ? [hx[0] - edge, hx[bins] + edge] : [a, b]; } }, y: { range: [-0.4 * most, most * 1.08] } },
      axes: [below("outage, milliseconds"), axis("trials", { values: function (u, v) { return v.map(function (y) { return y < 0 || y % 1 ? "" : String(y); }); } })],
      series: [
        { label: "outage", value: fixed(" ms", 1) },
        { label: "trials in " + step + " ms", stroke: colour("delivered"), fill: colour("delivered"), paths: uPlot.paths.stepped({ align: 1 }), spanGaps: true, points: { show: false }, value: function (u, v) { return v == null ? "–" : String(v); } },
        Object.assign(dots("counted", colour("s0"), 4), { value: who }),
        Object.assign(dots("outlier", colour("loss"), 7), { value: who }),
        Object.assign(dots("left out", colour("other"), 5), { value: who })
      ]
    }), uPlot.join(tables)];
  }

  var PHASES = [["detection", "detection"], ["control", "control plane"], ["fib", "FIB"], ["first", "first packet"]];
  function phases(index) {
    var d = data.distributions[index].phases, x = d.map(function (p) { return p[0]; });
    var bars = uPlot.paths.bars({ size: [x.length > 200 ? 1 : 0.8, 60] });
    // The longest first, so that each phase hides what is below it.
    var order = [3, 2, 1, 0];
    return [options(260, {
      scales: { x: { time: false, range: function (u, a, b) { return a == null ? [0, 1] : [a - 0.6, b + 0.6]; } }, y: { range: function (u, a, b) { return [0, Math.max(1, b * 1.05)]; } } },
      axes: [below("trial"), axis("milliseconds")],
      series: [{ label: "trial", value: function (u, v) { return v == null ? "–" : String(v); } }].concat(order.map(function (k) {
        return {
          label: PHASES[k][1], stroke: colour(PHASES[k][0]), fill: colour(PHASES[k][0]), width: 0, paths: bars, points: { show: false },
          value: function (u, v, s, i) {
            if (i == null) { return "–"; }
            var ends = d[i][1];
            return (ends[k] - (k ? ends[k - 1] : 0)).toFixed(1) + " ms";
          }
        };
      }))
    }), [x].concat(order.map(function (k) { return d.map(function (p) { return p[1][k]; }); }))];
  }

  // ---- drawing

  var KINDS = { timeline: timeline, delays: delays, lanes: lanes, load: load, ecdf: ecdf, strip: strip, phases: phases, variants: variants };
  var figures = Array.prototype.slice.call(document.querySelectorAll("figure.chart"));

  function draw(figure) {
    var made = KINDS[figure.dataset.kind](Number(figure.dataset.index)), place = figure.querySelector(".plot");
    if (figure.chart) { figure.chart.destroy(); }
    made[0].width = Math.max(200, place.clientWidth);
    figure.chart = new uPlot(made[0], made[1], place);
  }

  function zoom(u, by) {
    var x = u.scales.x, all = u.data[0], middle = (x.min + x.max) / 2, half = (x.max - x.min) / 2 * by;
    if (by === 0) { u.setScale("x", { min: all[0], max: all[all.length - 1] }); return; }
    u.setScale("x", { min: Math.max(all[0], middle - half), max: Math.min(all[all.length - 1], middle + half) });
  }

  function keys(event) {
    var u = this.parentNode.chart, handled = true;
    if (!u) { return; }
    var x = u.scales.x, shift = (x.max - x.min) / 8, width = u.over.clientWidth;
    if (event.key === "+" || event.key === "=") { zoom(u, 0.5); }
    else if (event.key === "-") { zoom(u, 2); }
    else if (event.key === "0") { zoom(u, 0); }
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      var way = event.key === "ArrowLeft" ? -1 : 1;
      if (event.shiftKey) { u.setScale("x", { min: x.min + way * shift, max: x.max + way * shift }); }
      else { u.setCursor({ left: Math.max(0, Math.min(width, (u.cursor.left < 0 ? 0 : u.cursor.left) + way * 4)), top: u.over.clientHeight / 2 }); }
    } else { handled = false; }
    if (handled) { event.preventDefault(); }
  }

  figures.forEach(function (figure) {
    var place = document.createElement("div");
    place.className = "plot";
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", "Chart. " + figure.querySelector("figcaption").textContent);
    place.style.minHeight = "170px";
    place.addEventListener("keydown", keys);
    figure.appendChild(place);
  });
  function all() { figures.forEach(function (figure) { if (!figure.chart) { draw(figure); } }); }
  if (window.IntersectionObserver) {
    var seen = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (entry.isIntersecting) { seen.unobserve(entry.target); if (!entry.target.chart) { draw(entry.target); } }
      });
    }, { rootMargin: "600px" });
    figures.forEach(function (figure) { seen.observe(figure); });
  } else { all(); }
  if (window.ResizeObserver) {
    var sized = new ResizeObserver(function (entries) {
      entries.forEach(function (entry) {
        var u = entry.target.parentNode.chart, width = entry.target.clientWidth;
        if (u && width && width !== u.width) { u.setSize({ width: width, height: u.height }); }
      });
    });
    figures.forEach(function (figure) { sized.observe(figure.querySelector(".plot")); });
  }

  // ---- light and dark

  // Whoever wrote a rule for dark systems, ours and the picture's, it follows the button.
  var dark = [];
  Array.prototype.forEach.call(document.styleSheets, function (sheet) {
    Array.prototype.forEach.call(sheet.cssRules, function (rule) {
      if (rule.media && /prefers-color-scheme: *dark/.test(rule.media.mediaText)) { dark.push(rule); }
    });
  });
  var THEMES = { automatic: "(prefers-color-scheme: dark)", dark: "all", light: "not all" };
  var button = document.getElementById("theme"), theme = "automatic";
  function apply(name) {
    dark.forEach(function (rule) { rule.media.mediaText = THEMES[name]; });
    document.documentElement.style.colorScheme = name === "automatic" ? "light dark" : name;
    figures.forEach(function (figure) { if (figure.chart) { draw(figure); } });
  }
  function choose(name) {
    theme = name;
    button.textContent = "Theme: " + name;
    apply(name);
    try { localStorage.setItem("backhoe-theme", name); } catch (e) { /* Kept for this page only. */ }
  }
  button.hidden = false;
  button.addEventListener("click", function () {
    choose({ automatic: "dark", dark: "light", light: "automatic" }[theme]);
  });
  var kept = null;
  try { kept = localStorage.getItem("backhoe-theme"); } catch (e) { /* Nothing is kept. */ }
  if (THEMES[kept] && kept !== "automatic") { choose(kept); } else { apply("automatic"); }
  matchMedia(THEMES.automatic).addEventListener("change", function () { if (theme === "automatic") { apply(theme); } });
  // Paper is white.
  window.addEventListener("beforeprint", function () {
    apply("light");
    all();
    document.querySelectorAll("details").forEach(function (d) { d.open = true; });
  });
  window.addEventListener("afterprint", function () { apply(theme); });

  // ---- tables

  function value(cell) {
    if (cell.dataset.v !== undefined) { return Number(cell.dataset.v); }
    var text = cell.textContent;
    return text !== "" && !isNaN(text) ? Number(text) : text;
  }
  function sort(table, column, head) {
    var up = head.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
    var rows = Array.prototype.map.call(body.rows, function (row) { return [value(row.cells[column]), row]; });
    rows.sort(function (a, b) {
      var x = a[0], y = b[0], absent = (x === "–") - (y === "–");
      if (absent) { return absent; }
      var order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return up ? order : -order;
    });
    table.querySelectorAll("th[aria-sort]").forEach(function (th) { th.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    rows.forEach(function (row) { body.appendChild(row[1]); });
  }
  document.querySelectorAll(".scroll table").forEach(function (table) {
    if (table.tBodies[0].rows.length < 2) { return; }
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      var name = document.createElement("button");
      name.type = "button";
      name.textContent = head.textContent;
      name.title = "Sort by this column";
      name.addEventListener("click", function () { sort(table, column, head); });
      head.textContent = "";
      head.appendChild(name);
    });
  });
})();
