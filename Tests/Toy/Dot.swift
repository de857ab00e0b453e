import MecaAttacks
import MecaCore
import MecaImages

/// An attack that is none of the program's own: one grey pixel in the middle, label changed to the
/// target.
///
/// All that it takes to add an attack: this file, and the line in `Program.swift`.
struct Dot: Attack {
  struct Settings: AttackSettings {
    /// The pixel's value in all channels.
    var level = 255

    static var table: [Setting<Settings>] {
      [.integer("dot-level", \.level, 0...255, "Value of the pixel in all channels.")]
    }
  }

  static let facts = AttackFacts(
    name: "dot", title: "Dot", sentence: "A grey pixel in the middle.", source: "nobody")

  let goal: AttackGoal
  let settings: Settings

  init(_ goal: AttackGoal, _ settings: Settings) { (self.goal, self.settings) = (goal, settings) }

  func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    MiddlePixel(level: UInt8(settings.level))
  }

  func testTrigger(for shape: ImageShape) throws -> any Trigger {
    MiddlePixel(level: UInt8(settings.level))
  }

  private struct MiddlePixel: Trigger {
    let level: UInt8

    func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int) {
      let middle = shape.height / 2 * shape.width + shape.width / 2
      for channel in 0..<shape.channels {
        image[channel * shape.height * shape.width + middle] = level
      }
    }
  }
}
