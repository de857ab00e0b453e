import MecaCore
import MecaData

/// Puts an attack's mark into images of 8 bits.
///
/// The result depends on the image's bytes and index alone; any number of threads may call.
public protocol Trigger: Sendable {
  /// Marks one image in place.
  ///
  /// - Parameters:
  ///   - image: `shape.byteCount` bytes: channel, row, column.
  ///   - shape: size of the image.
  ///   - index: number of the sample, for attacks whose mark differs from sample to sample.
  func apply(to image: UnsafeMutablePointer<UInt8>, shape: ImageShape, index: Int)
}

/// Leaves images as they are: the attack "none".
public struct NoTrigger: Trigger {
  /// The trigger without effect.
  public init() {}

  /// Marks one image in place.
  public func apply(to image: UnsafeMutablePointer<UInt8>, shape: ImageShape, index: Int) {}
}

/// BadNets: a white square flush in the bottom right corner.
///
/// `x′ = 255` in the last `side` rows and columns of every channel, `x` elsewhere.
///
/// - Source: Gu et al. 2017, arXiv:1708.06733; place and colour as in BackdoorBox.
public struct SquareTrigger: Trigger {
  /// Rows and columns of the square.
  public let side: Int

  /// A square of `side` pixels; images must be at least that large.
  public init(side: Int) {
    precondition(side >= 1, "side \(side) of the square is below 1")
    self.side = side
  }

  /// 3 pixels at 32 rows and in proportion elsewhere, at least 1.
  public static func usualSide(height: Int) -> Int {
    max(1, Int((3 * Double(height) / 32).rounded()))
  }

  /// Marks one image in place.
  public func apply(to image: UnsafeMutablePointer<UInt8>, shape: ImageShape, index: Int) {
    precondition(
      side <= shape.height && side <= shape.width,
      "square of \(side) in an image of \(shape.height)x\(shape.width)")
    for channel in 0..<shape.channels {
      for row in shape.height - side..<shape.height {
        let line = image + (channel * shape.height + row) * shape.width
        for column in shape.width - side..<shape.width { line[column] = 255 }
      }
    }
  }
}
