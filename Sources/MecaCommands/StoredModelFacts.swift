import ArgumentParser
import MecaCore
import MecaNN

/// What a user knows of a stored model; the file's own word must agree.
struct StoredModelFacts: ParsableArguments {
  @Option(help: "Network (default: that of the file's tensors).")
  var model: Architecture?

  @Option(help: "Channels of the first stage (default: those of the file's tensors).")
  var width: Int?

  @Option(
    help: """
      First layers: auto, small, imagenet. Read from the file; must be given where a file from \
      PyTorch leaves it open: mobilenetv2, and a 3x3 first convolution under torchvision's names.
      """)
  var stem: StemChoice = .auto

  @Option(
    help: """
      Stride of a ResNet's first convolution, 1 or 2, for a file that does not say it (default: the \
      stem's usual one).
      """)
  var stemStride: Int?

  @Option(
    help: """
      Whether max pooling follows a ResNet's first convolution, none or max, for a file that does \
      not say it (default: what is usual for the stem).
      """)
  var stemPooling: StemPooling?

  @Option(
    help: """
      Means of the three colours that images are normalised with, of [0, 1], for a file that does \
      not say them (default: those of the data).
      """)
  var mean: NumberList?

  @Option(
    help: """
      Standard deviations of the three colours, for a file that does not say them (default: those \
      of the data).
      """)
  var std: NumberList?

  /// Refuses a file that is of another network.
  ///
  /// - Throws: `UsageError.conflict` with both sides.
  func validate(_ stored: StoredModel) throws {
    let network = stored.network
    func agree<Value: Equatable>(_ option: String, _ asked: Value?, _ own: Value) throws {
      guard let asked, asked != own else { return }
      throw UsageError.conflict(
        "\(stored.path) holds a \(network.architecture.rawValue) of width \(network.width)"
          + (network.stem.map { " with the \($0) stem" } ?? "") + ", \(option) says \(asked)")
    }
    try agree("--model", model, network.architecture)
    try agree("--width", width, network.width)
    if let own = network.stem, stem != .auto { try agree("--stem", stem.rawValue, own.rawValue) }
    try check(network)
    for (setting, value, own) in [
      ("mean", mean, network.mean), ("std", std, network.standardDeviation),
    ] {
      guard let value else { continue }
      guard own == nil else {
        throw MisplacedSetting(
          setting: setting, value: "\(value)", problem: "\(stored.path) says its own")
      }
      let isDeviation = setting == "std"
      guard value.values.count == 3,
        value.values.allSatisfy({ $0 <= 1 && (isDeviation ? $0 > 0 : $0 >= 0) })
      else {
        throw SettingError(
          setting: setting, value: "\(value)",
          allowed: "three numbers with commas between them, in units of [0, 1]"
            + (isDeviation ? ", above 0" : ""))
      }
    }
    try requireKnownStrides(stored)
  }

  /// Checks the options on strides.
  private func check(_ network: StoredNetwork) throws {
    if let stemStride, !(1...2).contains(stemStride) {
      throw SettingError(setting: "stem-stride", value: "\(stemStride)", allowed: "1 or 2")
    }
    let given: [(String, String?)] = [
      ("stem-stride", stemStride.map { "\($0)" }), ("stem-pooling", stemPooling?.rawValue),
    ]
    for (setting, value) in given {
      guard let value else { continue }
      if network.architecture == .mobilenetv2 {
        throw MisplacedSetting(
          setting: setting, value: value, problem: "is for ResNets; for mobilenetv2 say --stem")
      }
      if network.strides == .said {
        throw MisplacedSetting(setting: setting, value: value, problem: "the file says its own")
      }
    }
  }

  /// Refuses to guess where networks with such tensors are used in several forms.
  ///
  /// - Throws: `MissingSetting`.
  private func requireKnownStrides(_ stored: StoredModel) throws {
    let network = stored.network
    guard network.strides == .open, stem == .auto, stemStride == nil, stemPooling == nil else {
      return
    }
    if network.architecture == .mobilenetv2 {
      throw MissingSetting(
        setting: "stem",
        problem: "\(stored.path) does not say its strides, which no tensor tells: imagenet for "
          + "torchvision's model as it is, small for one whose first strides were made 1")
    }
    throw MissingSetting(
      setting: "stem",
      problem: "\(stored.path) has a 3x3 first convolution under torchvision's names; no tensor "
        + "tells its stride and whether max pooling was left in: --stem small for stride 1 without "
        + "pooling, else --stem-stride 1 or 2 and --stem-pooling none or max")
  }

  /// How images are scaled for the model: what the file says, or else the options.
  ///
  /// - Throws: `MissingSetting` where neither says it.
  func scale(of stored: StoredModel) throws -> (mean: [Float], deviation: [Float]) {
    guard let mean = stored.network.mean ?? self.mean?.values,
      let deviation = stored.network.standardDeviation ?? std?.values
    else {
      throw MissingSetting(
        setting: "mean",
        problem: "\(stored.path) does not say how images are scaled for it: say --mean and --std, "
          + "for torchvision's models 0.485,0.456,0.406 and 0.229,0.224,0.225")
    }
    return (mean, deviation)
  }

  /// What was assumed of the file, in words; nil where it says everything.
  func assumption(_ stored: StoredModel) -> String? {
    let network = stored.network
    guard network.strides != .said else { return nil }
    if network.architecture == .mobilenetv2 {
      return "\(stored.path): taken for a mobilenetv2 with the \(stem.rawValue) strides"
    }
    let isLarge = network.stem == .imagenet
    let stride = stemStride ?? (isLarge ? 2 : 1)
    let isPooled = stemPooling.map { $0 == .max } ?? isLarge
    return
      "\(stored.path): taken for a \(network.architecture.rawValue) whose first convolution has "
      + "stride \(stride), \(isPooled ? "with" : "without") max pooling"
      + (stemStride == nil && stemPooling == nil
        ? ", as is usual; --stem-stride and --stem-pooling say otherwise" : "")
  }
}

/// What follows a ResNet's first convolution.
enum StemPooling: String, CaseIterable, ExpressibleByArgument {
  /// Nothing.
  case none
  /// 3x3 max pooling of stride 2.
  case max
}
