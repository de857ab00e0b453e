/// Whose names a state dictionary has.
public enum TensorNames: String, Codable, Sendable, CaseIterable {
  /// torchvision's: `layer2.0.downsample.0.weight`, `fc.weight`; MobileNetV2's `features.…`.
  case torchvision
  /// Those of the ResNets for CIFAR that the backdoor toolboxes have: `layer2.0.shortcut.0.weight`,
  /// `linear.weight`.
  ///
  /// BackdoorBox, backdoor-toolbox and the code they come from, kuangliu/pytorch-cifar.
  case cifar

  /// Whether the networks of an architecture are written with these names.
  public func suits(_ architecture: Architecture) -> Bool {
    switch architecture {
    case .resnet18, .resnet34: true
    case .mobilenetv2: self == .torchvision
    }
  }

  /// What torchvision and the variants for CIFAR call the same part of a ResNet.
  private static let parts = [
    (torchvision: "downsample", cifar: "shortcut"), (torchvision: "fc", cifar: "linear"),
  ]

  /// The name here of what torchvision calls `name`.
  func name(ofTorchvision name: String) -> String {
    guard self == .cifar else { return name }
    return Self.replaced(name) { part in Self.parts.first { $0.torchvision == part }?.cifar }
  }

  /// torchvision's name of what either calls `name`.
  ///
  /// The `module.` that `DataParallel` puts in front, once or several times, goes.
  static func torchvision(of name: String) -> String {
    var name = name[...]
    while name.hasPrefix("module.") { name = name.dropFirst("module.".count) }
    return replaced(String(name)) { part in parts.first { $0.cifar == part }?.torchvision }
  }

  /// The name with other words between its points, where there are any.
  private static func replaced(_ name: String, by other: (Substring) -> String?) -> String {
    name.split(separator: ".", omittingEmptySubsequences: false)
      .map { other($0) ?? String($0) }.joined(separator: ".")
  }
}
