/// torchvision's names of a network's tensors, whoever named them.
///
/// timm's ResNets have torchvision's names. Its MobileNetV2 numbers blocks within stages and calls
/// layers by what they do: `blocks.1.0.conv_pw.weight` is `features.2.conv.0.0.weight`. Which of two
/// schemes a name belongs to (`bn1.weight` is in both) is told by all names together.
///
/// - Parameter names: without what wrappers put in front; nil for tensors that are not the network's.
func torchvisionNames(_ names: [String?]) -> [String?] {
  let isTimmMobile = names.contains("conv_stem.weight") && names.contains("conv_head.weight")
  return names.map { name in
    name.map { isTimmMobile ? timmMobileName($0) : TensorNames.torchvision(of: $0) }
  }
}

/// torchvision's name of what timm's MobileNetV2 calls `name`; names of no layer stay.
///
/// - Source: the modules of timm's `mobilenetv2_100` and of torchvision's `mobilenet_v2`, compared by
///   `tools/check-init.py`.
private func timmMobileName(_ name: String) -> String {
  let around = [
    "conv_stem": "features.0.0", "bn1": "features.0.1", "conv_head": "features.18.0",
    "bn2": "features.18.1", "classifier": "classifier.1",
  ]
  let parts = name.split(separator: ".").map(String.init)
  if parts.count == 2, let layer = around[parts[0]] { return "\(layer).\(parts[1])" }
  // The seven stages' blocks follow each other in torchvision's list, behind the stem.
  let blocksBefore = [0, 1, 3, 6, 10, 13, 16]
  guard parts.count == 5, parts[0] == "blocks", let stage = Int(parts[1]),
    let block = Int(parts[2]),
    blocksBefore.indices.contains(stage)
  else { return name }
  // The first stage does not widen: its depthwise convolution comes first.
  let layers =
    stage == 0
    ? ["conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"]
    : [
      "conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2", "bn3": "3",
    ]
  guard let layer = layers[parts[3]] else { return name }
  return "features.\(1 + blocksBefore[stage] + block).conv.\(layer).\(parts[4])"
}
