//! Shapes, and how they are written: SVG 1.1 with a style sheet of its own.

use std::fmt::Write as _;

use super::{draw::Drawing, icons, sizes::Line};
use crate::lab::graph::scene::Scene;

/// A rectangle, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A step of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stroke {
    To(f64, f64),
    Line(f64, f64),
    /// Two control points and the end.
    Curve([f64; 6]),
}

/// Something drawn.
#[derive(Debug)]
pub(super) enum Shape {
    Rect {
        area: Area,
        radius: f64,
        class: String,
    },
    Path {
        strokes: Vec<Stroke>,
        class: String,
    },
    /// `top` is the top of the line.
    Text {
        x: f64,
        top: f64,
        line: Line,
    },
    Dot {
        x: f64,
        y: f64,
        radius: f64,
        class: String,
    },
    Ring {
        x: f64,
        y: f64,
        radii: [f64; 2],
    },
    Icon {
        x: f64,
        y: f64,
        size: f64,
        kind: &'static str,
    },
    /// What follows, up to [`Shape::Close`], is one thing with a name.
    Open {
        class: &'static str,
        title: String,
    },
    Close,
}

const STYLE: &str = "\
.lab text{font-family:'Helvetica Neue',Helvetica,Arial,'Liberation Sans','Nimbus Sans',sans-serif}
.lab .b{font-weight:700}
.lab path{fill:none}
.lab .canvas{fill:#fff}
.lab .band{fill:#f5f7fa}
.lab .band-aws{fill:#fff6ec}
.lab .frame{fill:#e2e8f0;fill-opacity:.55;stroke:#94a3b8;stroke-dasharray:2 3}
.lab .card{fill:#fff;stroke:#cbd5e1;stroke-width:1.2}
.lab .chip{fill:#f1f5f9;stroke:#d8e0ea}
.lab .pill{fill:#f3effe;stroke:#ddd3fb}
.lab .row{fill:#e9f7f4;stroke:#c3e7df}
.lab text.title,.lab text.name{fill:#0f172a}
.lab text.fact{fill:#334155}
.lab text.dim{fill:#55647a}
.lab text.caption{fill:#64748b}
.lab text.session{fill:#4c1d95}
.lab text.tunnel{fill:#115e55}
.lab text.fault{fill:#c81e1e}
.lab .line{stroke:#475569;stroke-width:2;stroke-linecap:round}
.lab .circuit{stroke:#6d3fd6;stroke-width:3}
.lab .strand{stroke:#6d3fd6;stroke-width:2}
.lab .inside{stroke:#d98a3d;stroke-width:2}
.lab .attachment{stroke:#94a3b8;stroke-width:1.6}
.lab .vpn{stroke:#0d9488;stroke-width:2.2;stroke-dasharray:7 5;stroke-linecap:butt}
.lab .ring{fill:none;stroke:#6d3fd6;stroke-width:1.6}
.lab .glyph{stroke:#fff;stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round}
.lab .customer{fill:#2563eb}
.lab .location{fill:#6d3fd6}
.lab .internet{fill:#64748b}
.lab .gateway{fill:#d9640f}
.lab .vpc{fill:#2f8f46}
.lab .host{fill:#0f766e}
.lab .p0{fill:#db2777}
.lab .p1{fill:#0891b2}
.lab .p2{fill:#ca8a04}
.lab .p3{fill:#65a30d}
.lab .p4{fill:#4f46e5}
.lab .p5{fill:#78716c}
@media (prefers-color-scheme:dark){
.lab .canvas{fill:#0d1420}
.lab .band{fill:#141d2c}
.lab .band-aws{fill:#211c1a}
.lab .frame{fill:#263348;stroke:#5b6b83}
.lab .card{fill:#1a2536;stroke:#3a495f}
.lab .chip{fill:#243145;stroke:#3a495f}
.lab .pill{fill:#2a2547;stroke:#453b75}
.lab .row{fill:#12322f;stroke:#1f5750}
.lab text.title,.lab text.name{fill:#f1f5f9}
.lab text.fact{fill:#d5dde8}
.lab text.dim{fill:#a3b1c5}
.lab text.caption{fill:#94a3b8}
.lab text.session{fill:#cdbcff}
.lab text.tunnel{fill:#7fe0d2}
.lab text.fault{fill:#ff8f8f}
.lab .line{stroke:#9aa9bd}
.lab .circuit,.lab .strand,.lab .ring{stroke:#a78bfa}
.lab .inside{stroke:#d99a58}
.lab .attachment{stroke:#64748b}
.lab .vpn{stroke:#2dd4bf}
}
";

/// Text inside an element or attribute. XML 1.0 has no way to write control characters.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A coordinate to a tenth of a pixel.
fn number(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    // No "-0".
    format!("{}", rounded + 0.0)
}

/// Writes the whole file.
pub(super) fn write(scene: &Scene, drawing: &Drawing) -> String {
    let [width, height] = [drawing.width, drawing.height].map(number);
    let name = escaped(&scene.name);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lab\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"title-{name} desc-{name}\">\n\
         <title id=\"title-{name}\">Topology of the lab {name}</title>\n\
         <desc id=\"desc-{name}\">\n"
    );
    for sentence in scene.sentences() {
        let _ = writeln!(out, "{}.", escaped(&sentence));
    }
    let _ = writeln!(out, "</desc>\n<style>\n{STYLE}</style>");
    for shape in &drawing.shapes {
        shape.write(&mut out);
    }
    out + "</svg>\n"
}

impl Shape {
    fn write(&self, out: &mut String) {
        let n = number;
        let _ = match self {
            Self::Rect {
                area,
                radius,
                class,
            } => {
                let [x, y, w, h] = [area.x, area.y, area.width, area.height].map(n);
                let r = n(*radius);
                writeln!(
                    out,
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{r}\"/>"
                )
            }
            Self::Path { strokes, class } => {
                writeln!(out, "<path class=\"{class}\" d=\"{}\"/>", path(strokes))
            }
            Self::Text { x, top, line } => {
                writeln!(out, "{}", text(*x, *top, line))
            }
            Self::Dot {
                x,
                y,
                radius,
                class,
            } => {
                let [x, y, r] = [*x, *y, *radius].map(n);
                writeln!(
                    out,
                    "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>"
                )
            }
            Self::Ring { x, y, radii } => {
                let [x, y, rx, ry] = [*x, *y, radii[0], radii[1]].map(n);
                writeln!(
                    out,
                    "<ellipse class=\"ring\" cx=\"{x}\" cy=\"{y}\" rx=\"{rx}\" ry=\"{ry}\"/>"
                )
            }
            Self::Icon { x, y, size, kind } => {
                let (x, y, scale) = (n(*x), n(*y), size / 24.0);
                let strokes = icons::strokes(kind);
                writeln!(
                    out,
                    "<path class=\"glyph\" transform=\"translate({x} {y}) scale({scale})\" d=\"{strokes}\"/>"
                )
            }
            Self::Open { class, title } => {
                writeln!(
                    out,
                    "<g class=\"{class}\">\n<title>{}</title>",
                    escaped(title)
                )
            }
            Self::Close => writeln!(out, "</g>"),
        };
    }
}

fn path(strokes: &[Stroke]) -> String {
    let mut d = String::new();
    for stroke in strokes {
        let _ = match stroke {
            Stroke::To(x, y) => write!(d, "M{} {}", number(*x), number(*y)),
            Stroke::Line(x, y) => write!(d, "L{} {}", number(*x), number(*y)),
            Stroke::Curve(points) => {
                let points: Vec<String> = points.iter().map(|&point| number(point)).collect();
                write!(d, "C{}", points.join(" "))
            }
        };
    }
    d
}

fn text(x: f64, top: f64, line: &Line) -> String {
    // Of a line's height 1.3 times the size this puts as much above capitals as below descenders.
    let baseline = number(top + line.size);
    let (x, size, width) = (number(x), line.size, line.width());
    let lead = match line.bold.is_empty() {
        true => String::new(),
        false => format!("<tspan class=\"b\">{}</tspan>", escaped(&line.bold)),
    };
    let rest = format!("{}{}", line.space(), line.plain);
    let (class, rest) = (line.class, escaped(&rest));
    format!(
        "<text class=\"{class}\" x=\"{x}\" y=\"{baseline}\" font-size=\"{size}\" \
         textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\">{lead}{rest}</text>"
    )
}
