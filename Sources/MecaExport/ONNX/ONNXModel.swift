import Foundation
import MecaCore
import MecaNN
import SwiftProtobuf

/// Writes a network as an ONNX file: images in, logits and probabilities out.
///
/// The graph is that of evaluation, with the images' normalisation in it:
///
/// * input `images`, `[batch, 3, H, W]`, float32: RGB, pixels in [0, 1]; `batch` is free
/// * `(images − mean) · 1/deviation`, then the network's layers; a normalisation is a
///   `BatchNormalization` by the running statistics
/// * output `logits`, `[batch, classes]`, and `probabilities`, their softmax
///
/// Weights keep the names of torchvision's state dictionary. The metadata has the entries of
/// ``onnxMetadata(_:_:)``. Equal models and facts give equal bytes.
///
/// - Source: ONNX, opset 13 (https://onnx.ai/onnx/operators), the oldest in which every operator here
///   has today's form.
/// - Ranks: local.
/// - Throws: `FileError.malformed` naming `path` if a weight is no number or the file would have more
///   than the 2 GiB that the format allows.
public func encodeONNX(_ model: Model, _ facts: ONNXFacts, path: String) throws -> Data {
  guard model.isFinite else {
    throw FileError.malformed(
      path: path, reason: "has weights that are not numbers; such a network is not exported")
  }
  try requireOnePiece(4 * (model.parameters.count + model.statistics.count), path: path)
  var file = Onnx_ModelProto()
  file.irVersion = 7
  file.opsetImport = [.with { $0.version = 13 }]
  file.producerName = "meca-dist"
  file.producerVersion = facts.version
  file.docString = """
    Image classifier. Input: float32 [batch, 3, height, width], RGB, pixels in [0, 1] (bytes / 255); \
    mean and standard deviation are applied inside.
    """
  file.metadataProps = onnxMetadata(model, facts).sorted { $0.key < $1.key }.map { key, value in
    .with { ($0.key, $0.value) = (key, value) }
  }
  var builder = ONNXGraphBuilder(model)
  builder.addLayers()
  file.graph = builder.graph
  return try file.serializedData()
}

/// Refuses more bytes of weights than a message of protobuf holds, 2³¹ − 1 with all else, which is some
/// 100 kB here.
///
/// - Throws: `FileError.malformed`.
package func requireOnePiece(_ bytes: Int, path: String) throws {
  let most = 2047 << 20
  guard bytes > most else { return }
  throw FileError.malformed(
    path: path,
    reason:
      "has \(bytes >> 20) MiB of weights; an ONNX file in one piece holds \(most >> 20) MiB at "
      + "most")
}

/// The entries of an ONNX file's metadata, all of them texts.
///
/// `class_names` and the numbers of `mean` and `std` are JSON; `input_range` and `channel_order` say
/// what the input is.
package func onnxMetadata(_ model: Model, _ facts: ONNXFacts) -> [String: String] {
  let encoder = JSONEncoder()
  encoder.outputFormatting = .withoutEscapingSlashes
  // A list of texts is always JSON.
  let names = (try? encoder.encode(facts.classNames)) ?? Data("[]".utf8)
  var metadata = model.configuration.metadata
  metadata.merge(facts.others) { own, _ in own }
  metadata["class_names"] = String(decoding: names, as: UTF8.self)
  metadata["meca_dist_version"] = facts.version
  metadata["channel_order"] = "RGB"
  metadata["input_range"] = "[0, 1]"
  metadata["weights_sha256"] = model.weightsDigest()
  return metadata
}
