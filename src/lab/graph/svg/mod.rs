//! The picture as a finished SVG. Columns of cards with columns of labels between them, so that
//! a label has a place of its own as a node has, and nothing can lie over anything: [`sizes`]
//! measures, [`items`] puts everything into columns, [`order`] says what is above what,
//! [`place`] says where, [`draw`] draws, [`paint`] writes.

mod draw;
mod font;
mod icons;
mod items;
mod order;
mod paint;
mod place;
mod sizes;

#[cfg(test)]
mod tests;

use super::scene::Scene;

/// Writes it.
pub(super) fn write(scene: &Scene) -> String {
    paint::write(scene, &laid_out(scene))
}

/// Draws it.
fn laid_out(scene: &Scene) -> draw::Drawing {
    let boxes = sizes::Boxes::of(scene);
    let mut graph = items::Graph::of(scene, &boxes);
    let mut order = order::search(scene, &graph);
    if graph.bend_around(&order, &boxes) {
        order = order::search(scene, &graph);
    }
    let placed = place::place(&graph, &order);
    draw::draw(scene, &boxes, &graph, &placed)
}
