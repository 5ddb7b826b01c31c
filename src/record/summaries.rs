//! TensorBoard's values: one point, picture or text under a tag.

use protobuf::RepeatedField;
use tensorboard_proto::summary::{Summary_Image, Summary_Value, SummaryMetadata, SummaryMetadata_PluginData};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::{TensorShapeProto, TensorShapeProto_Dim};
use tensorboard_proto::types::DataType;

use crate::train::Picture;

const RGB: i32 = 3;

/// A point of a curve.
pub(super) fn scalar(tag: &str, value: f64) -> Summary_Value {
    let mut summary = tagged(tag);
    summary.set_simple_value(value as f32);
    summary
}

/// A point of a curve, with what the curve shows: TensorBoard asks the first point of a run. It stands there twice, for
/// TensorBoard's default server takes a description from a tensor alone, and Python's `EventAccumulator.Scalars` knows no tensors.
pub(super) fn described_scalar(tag: &str, value: f64, description: &str) -> [Summary_Value; 2] {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_FLOAT);
    tensor.set_tensor_shape(TensorShapeProto::new());
    tensor.set_float_val(vec![value as f32]);
    let mut described = plugin(tag, "scalars", Vec::new(), tensor);
    described.mut_metadata().set_summary_description(description.to_owned());
    [described, scalar(tag, value)]
}

/// A picture, as its PNG bytes.
pub(super) fn image(picture: &Picture) -> Summary_Value {
    let mut image = Summary_Image::new();
    image.set_height(picture.height as i32);
    image.set_width(picture.width as i32);
    image.set_colorspace(RGB);
    image.set_encoded_image_string(picture.png.clone());
    let mut summary = tagged(picture.tag);
    summary.set_image(image);
    summary
}

/// A text in Markdown.
pub(super) fn text(tag: &str, markdown: String) -> Summary_Value {
    bytes(tag, "text", markdown.into_bytes())
}

/// Data of a plugin that takes a string tensor.
pub(super) fn bytes(tag: &str, plugin_name: &str, content: Vec<u8>) -> Summary_Value {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.set_tensor_shape(TensorShapeProto::new());
    tensor.set_string_val(RepeatedField::from_vec(vec![content]));
    plugin(tag, plugin_name, Vec::new(), tensor)
}

/// Data of a plugin that keeps everything in the metadata; the tensor itself is empty.
pub(super) fn metadata(tag: &str, plugin_name: &str, content: Vec<u8>) -> Summary_Value {
    let mut shape = TensorShapeProto::new();
    shape.set_dim(RepeatedField::from_vec(vec![TensorShapeProto_Dim::new()]));
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_FLOAT);
    tensor.set_tensor_shape(shape);
    plugin(tag, plugin_name, content, tensor)
}

fn plugin(tag: &str, name: &str, content: Vec<u8>, tensor: TensorProto) -> Summary_Value {
    let mut data = SummaryMetadata_PluginData::new();
    data.set_plugin_name(name.to_owned());
    data.set_content(content);
    let mut metadata = SummaryMetadata::new();
    metadata.set_plugin_data(data);
    let mut summary = tagged(tag);
    summary.set_metadata(metadata);
    summary.set_tensor(tensor);
    summary
}

fn tagged(tag: &str) -> Summary_Value {
    let mut summary = Summary_Value::new();
    summary.set_tag(tag.to_owned());
    summary
}
