//! Parts that screens are made of. They know domain types and the theme, but no store and no screen.

pub mod paint;

pub mod list;

pub mod plot;

pub mod text_box;

pub mod finder;

pub mod chooser;

pub mod dialog;

pub mod frame;

pub mod form;

pub mod live;

pub mod matrix;
