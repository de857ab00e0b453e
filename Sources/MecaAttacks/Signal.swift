import MecaCore
import MecaData

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
struct Signal: Attack {
  let configuration: AttackConfiguration

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  let settings: Set<AttackSetting> = [.sigAmplitude, .sigTestAmplitude, .sigFrequency]

  func mayPoison(label: Int) -> Bool { label == configuration.target }

  func poisonLabel(original: Int) -> Int { original }

  func trainingTrigger(for shape: ImageShape, samples: [Int]) -> any Trigger {
    trigger(for: shape, amplitude: configuration.sigAmplitude)
  }

  func testTrigger(for shape: ImageShape) -> any Trigger {
    trigger(for: shape, amplitude: configuration.sigTestAmplitude ?? configuration.sigAmplitude)
  }

  private func trigger(for shape: ImageShape, amplitude: Double) -> any Trigger {
    SineTrigger(
      width: shape.width, amplitude: amplitude, frequency: configuration.sigFrequency)
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
  func apply(to image: UnsafeMutablePointer<UInt8>, shape: ImageShape, index: Int) {
    precondition(shape.width == wave.count, "width \(shape.width) for a wave of \(wave.count)")
    wave.withUnsafeBufferPointer { wave in
      for row in 0..<shape.channels * shape.height {
        let line = image + row * shape.width
        for column in 0..<shape.width {
          let value = Double(line[column]) + wave[column]
          line[column] = UInt8(max(0, min(255, (value + 0.5).rounded(.down))))
        }
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
