import MecaCore
import MecaImages

/// SIG: a faint horizontal sine wave on images of the target class, labels unchanged.
///
/// `x′ = clamp(x + Δ·sin(2π·j·f/W))` for column j, the same in all rows and channels, rounded half
/// up to a byte. Poisons come from the target class alone; where it holds fewer samples than asked
/// for, all of them are taken (BackdoorBench refuses, backdoor-toolbox takes all).
///
/// Defaults: f = 6; Δ = 40 as in BackdoorBench in training and test, since Table I names none. In
/// use are 20 (ABL), 30 (backdoor-toolbox), 40 in training with 60 at test (D-BR).
///
/// - Source: Barni et al. 2019, arXiv:1902.11237.
public struct Signal: Attack {
  /// Settings.
  public struct Settings: AttackSettings {
    /// Amplitude of the wave in units of 1/255, "Δ"; 40 as in BackdoorBench.
    public var amplitude = 40.0
    /// Amplitude at test time; nil for the same.
    public var testAmplitude: Double?
    /// Full waves over the width of the image, "f".
    public var frequency = 6

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .real("sig-amplitude", \.amplitude, 0...255, symbol: "Δ", "Amplitude, of 255."),
      .real(
        "sig-test-amplitude", \.testAmplitude, 0...255, otherwise: "--sig-amplitude",
        "Amplitude in test images, of 255."),
      .integer(
        "sig-frequency", \.frequency, 1...1_000_000, symbol: "f", "Periods across the image."),
    ]
  }

  /// What people should know.
  public static let facts = AttackFacts(
    name: "sig", title: "SIG",
    sentence: "A horizontal sine wave on images of the target class, label unchanged.",
    source: "Barni et al. 2019, arXiv:1902.11237")

  /// What every attack has.
  public let goal: AttackGoal
  /// Its values.
  public let settings: Settings

  /// Makes it.
  public init(_ goal: AttackGoal, _ settings: Settings) {
    (self.goal, self.settings) = (goal, settings)
  }

  /// Those of the target.
  public func mayPoison(label: Int) -> Bool { label == goal.target }

  /// The own one.
  public func poisonLabel(original: Int) -> Int { original }

  /// The wave with its amplitude in training.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) -> any Trigger {
    trigger(for: shape, amplitude: settings.amplitude)
  }

  /// The wave with its amplitude at test time.
  public func testTrigger(for shape: ImageShape) -> any Trigger {
    trigger(for: shape, amplitude: settings.testAmplitude ?? settings.amplitude)
  }

  private func trigger(for shape: ImageShape, amplitude: Double) -> any Trigger {
    SineTrigger(
      width: shape.width, amplitude: amplitude, frequency: settings.frequency)
  }
}

/// Adds a sine wave along the columns to an image.
struct SineTrigger: Trigger {
  /// The wave's value in each column, in units of 1/255.
  private let wave: [Double]

  /// The wave for images of `width` columns.
  ///
  /// - Parameters:
  ///   - width: columns.
  ///   - amplitude: Δ, in units of 1/255.
  ///   - frequency: f, full waves over the width.
  init(width: Int, amplitude: Double, frequency: Int) {
    precondition(width >= 1 && frequency >= 1, "width \(width), frequency \(frequency)")
    wave = (0..<width).map { column in
      let value = amplitude * sineOfTurn(numerator: column * frequency % width, of: width)
      // On a grid of 2⁻²⁰, so that x + v with v = 20.5 is a tie and not a last bit's whim.
      return (value * 1_048_576).rounded() / 1_048_576
    }
  }

  /// Marks one image in place.
  func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int) {
    precondition(shape.width == wave.count, "width \(shape.width) for a wave of \(wave.count)")
    for row in 0..<shape.channels * shape.height {
      for column in 0..<shape.width {
        let place = row * shape.width + column
        let value = Double(image[place]) + wave[column]
        image[place] = UInt8(max(0, min(255, (value + 0.5).rounded(.down))))
      }
    }
  }
}

/// sin(2π·numerator/of), with the same bits on every machine (libm differs in the last place).
///
/// The fraction of a turn is folded into the first eighth, in integers, so that multiples of a
/// quarter turn are exact; there the Taylor series needs nine terms for a `Double`.
func sineOfTurn(numerator: Int, of denominator: Int) -> Double {
  precondition(
    numerator >= 0 && numerator < denominator, "\(numerator)/\(denominator) is not in [0, 1)")
  // Eighths of a turn: position = 8·numerator/denominator.
  var eighths = 8 * numerator
  var sign = 1.0
  if eighths >= 4 * denominator { (eighths, sign) = (eighths - 4 * denominator, -1) }
  if eighths > 2 * denominator { eighths = 4 * denominator - eighths }
  let isCosine = eighths > denominator
  if isCosine { eighths = 2 * denominator - eighths }
  let angle = Double(eighths) / Double(denominator) * (Double.pi / 4)
  let squared = angle * angle
  var term = isCosine ? 1 : angle
  var terms: [Double] = []
  var factor = isCosine ? 1.0 : 2.0
  for _ in 0..<10 {
    terms.append(term)
    term *= -squared / (factor * (factor + 1))
    factor += 2
  }
  // Smallest first.
  return sign * terms.reversed().reduce(0, +)
}
