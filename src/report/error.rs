//! What can go wrong while a picture is made.

/// A picture that could not be made.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum ReportError {
    /// The numbers do not fit together: a mistake of the caller.
    #[error("cannot draw the {picture} picture: {reason}")]
    Shape { picture: &'static str, reason: String },
    /// The drawing library refused.
    #[error("cannot draw the picture: {0}")]
    Draw(String),
    /// The PNG encoder refused.
    #[error("cannot encode the picture as PNG: {0}")]
    Encode(#[from] image::ImageError),
}
