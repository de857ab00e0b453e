import ArgumentParser
import MecaAttacks
import MecaCore
import MecaFormats
import MecaImages
import MecaTraining

/// A transformation as it is named on the command line.
enum AugmentationKind: String, CaseIterable {
  case crop, flip, jitter, affine, cutmix
}

/// What `--augment` says: a list of transformations, or the usual ones for the data.
enum AugmentationChoice: ExpressibleByArgument {
  /// What is usual for data set and attack.
  case auto
  /// These, possibly none.
  case listed(Set<AugmentationKind>)

  static let physical = AugmentationChoice.listed([.flip, .jitter, .affine])

  init?(argument: String) {
    switch argument {
    case "auto": self = .auto
    case "none": self = .listed([])
    case "physical": self = .physical
    default:
      let names = argument.split(separator: ",", omittingEmptySubsequences: false)
      let kinds = names.compactMap { AugmentationKind(rawValue: String($0)) }
      guard kinds.count == names.count, Set(kinds).count == kinds.count else { return nil }
      self = .listed(Set(kinds))
    }
  }

  var defaultValueDescription: String { "auto" }
}

/// How images are changed while the models that are kept and compared learn them.
struct AugmentationOptions: ParsableArguments {
  @Option(
    help: """
      Random changes of the training images, comma separated: crop, flip, jitter, affine, cutmix; \
      or none, physical (flip,jitter,affine), auto (physical for that attack, none for shapes, \
      else crop,flip).
      """)
  var augment: AugmentationChoice = .auto

  @Option(help: "crop: pixels added on each side (default: 4 at 32 pixels, in proportion).")
  var cropPadding: Int?

  @Option(
    help: """
      jitter: largest change of the factors of brightness and contrast, or two or three numbers \
      for brightness, contrast, saturation (default: 0.2).
      """)
  var jitter: NumberList?

  @Option(help: "affine: largest rotation to either side (default: 10).")
  var affineDegrees: Float?

  @Option(help: "affine: largest shift, as a fraction of width and height (default: 0.1).")
  var affineTranslate: Float?

  @Option(help: "affine: smallest and largest factor of the size (default: 0.8,0.9).")
  var affineScale: NumberList?

  @Option(help: "cutmix: share of microbatches that are mixed (default: 1).")
  var cutmixProbability: Float?

  @Option(help: "cutmix: both parameters of the Beta distribution of the mixture (default: 1).")
  var cutmixAlpha: Float?

  /// The augmentation, checked as far as it can be without the images.
  ///
  /// - Throws: `SettingError`, `UsageError` that names the option.
  func resolved(dataset: FormatFacts, attack: AttackFacts) throws -> Augmentation {
    let kinds = kinds(dataset: dataset, attack: attack)
    try requireUse(of: kinds)
    let augmentation = Augmentation(
      crop: kinds.contains(.crop) ? RandomCrop(padding: cropPadding) : nil,
      flips: kinds.contains(.flip), jitter: kinds.contains(.jitter) ? try colourJitter() : nil,
      affine: kinds.contains(.affine) ? try randomAffine() : nil,
      cutMix: kinds.contains(.cutmix)
        ? CutMix(probability: cutmixProbability ?? 1, alpha: cutmixAlpha ?? 1) : nil)
    try augmentation.validate()
    return augmentation
  }

  /// The options that give `resolved`, or `auto` where opening the set may decide otherwise: a
  /// stored one can have been made by an attack with transformations of its own.
  func yamlLines(
    of resolved: Augmentation, dataset: FormatFacts, attack: AttackFacts
  ) -> [(String, String?)] {
    if case .auto = augment, attack.name == NoAttack.facts.name,
      dataset.holdsAnySet || dataset.mayBeWritten
    {
      return [("augment", "auto"), ("crop-padding", cropPadding.map { "\($0)" })]
    }
    return resolved.yamlLines
  }

  /// The transformations, with `auto` decided.
  private func kinds(dataset: FormatFacts, attack: AttackFacts) -> Set<AugmentationKind> {
    if case .listed(let kinds) = augment { return kinds }
    if let own = attack.augmentation { return own.kinds }
    return dataset.isDemonstration ? [] : [.crop, .flip]
  }

  /// Refuses settings of transformations that are not there: their author expects them to count.
  private func requireUse(of kinds: Set<AugmentationKind>) throws {
    let settings: [(AugmentationKind, String, Bool)] = [
      (.crop, "--crop-padding", cropPadding != nil), (.jitter, "--jitter", jitter != nil),
      (.affine, "--affine-degrees", affineDegrees != nil),
      (.affine, "--affine-translate", affineTranslate != nil),
      (.affine, "--affine-scale", affineScale != nil),
      (.cutmix, "--cutmix-probability", cutmixProbability != nil),
      (.cutmix, "--cutmix-alpha", cutmixAlpha != nil),
    ]
    for (kind, option, isGiven) in settings where isGiven && !kinds.contains(kind) {
      throw UsageError.conflict(
        "\(option) is for --augment \(kind.rawValue), but this run augments with "
          + "\(listed(kinds)): add \(kind.rawValue) to --augment, or leave \(option) out")
    }
  }

  private func colourJitter() throws -> ColourJitter {
    guard let jitter else { return ColourJitter() }
    let values = jitter.values
    guard (1...3).contains(values.count) else {
      throw SettingError(
        setting: "jitter", value: "\(jitter)",
        allowed: "one number, or two or three for brightness, contrast, saturation")
    }
    return ColourJitter(
      brightness: values[0], contrast: values.count > 1 ? values[1] : values[0],
      saturation: values.count > 2 ? values[2] : 0)
  }

  private func randomAffine() throws -> RandomAffine {
    var affine = RandomAffine()
    affine.degrees = affineDegrees ?? affine.degrees
    affine.translation = affineTranslate ?? affine.translation
    if let affineScale {
      guard affineScale.values.count == 2 else {
        throw SettingError(
          setting: "affine-scale", value: "\(affineScale)",
          allowed: "two numbers, the smallest and the largest factor")
      }
      (affine.smallestScale, affine.largestScale) = (affineScale.values[0], affineScale.values[1])
    }
    return affine
  }
}

/// Transformations in the order they are applied in, as `--augment` takes them.
private func listed(_ kinds: Set<AugmentationKind>) -> String {
  kinds.isEmpty
    ? "none"
    : AugmentationKind.allCases.filter(kinds.contains).map(\.rawValue).joined(separator: ",")
}

extension Augmentation {
  fileprivate var kinds: Set<AugmentationKind> {
    var kinds: Set<AugmentationKind> = []
    if crop != nil { kinds.insert(.crop) }
    if flips { kinds.insert(.flip) }
    if jitter != nil { kinds.insert(.jitter) }
    if affine != nil { kinds.insert(.affine) }
    if cutMix != nil { kinds.insert(.cutmix) }
    return kinds
  }

  /// The options that give this augmentation.
  fileprivate var yamlLines: [(String, String?)] {
    [
      ("augment", listed(kinds)), ("crop-padding", crop?.padding.map { "\($0)" }),
      ("jitter", jitter.map { "\(NumberList([$0.brightness, $0.contrast, $0.saturation]))" }),
      ("affine-degrees", affine.map { "\($0.degrees)" }),
      ("affine-translate", affine.map { "\($0.translation)" }),
      ("affine-scale", affine.map { "\(NumberList([$0.smallestScale, $0.largestScale]))" }),
      ("cutmix-probability", cutMix.map { "\($0.probability)" }),
      ("cutmix-alpha", cutMix.map { "\($0.alpha)" }),
    ]
  }

  /// What is done to images of the given size, in words.
  func summary(for shape: ImageShape) -> String {
    var parts: [String] = []
    if let crop { parts.append("crop (padding \(crop.padding(for: shape)))") }
    if flips { parts.append("flip") }
    if let jitter {
      parts.append(
        "jitter (brightness \(jitter.brightness), contrast \(jitter.contrast), saturation "
          + "\(jitter.saturation))")
    }
    if let affine {
      parts.append(
        "affine (\(affine.degrees) degrees, shift \(affine.translation), scale "
          + "\(affine.smallestScale) to \(affine.largestScale))")
    }
    if let cutMix {
      parts.append("cutmix (probability \(cutMix.probability), alpha \(cutMix.alpha))")
    }
    return parts.isEmpty ? "none" : parts.joined(separator: ", ")
  }
}

/// Numbers, written with commas between them.
struct NumberList: ExpressibleByArgument, CustomStringConvertible {
  var values: [Float]

  init(_ values: [Float]) { self.values = values }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Float(String($0).trimmingPrefix(while: { $0 == " " })) }
    guard numbers.count == parts.count, numbers.allSatisfy(\.isFinite) else { return nil }
    values = numbers
  }

  var description: String { values.map { "\($0)" }.joined(separator: ",") }
  var defaultValueDescription: String { description }
}
