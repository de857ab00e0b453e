import MecaCore
import MecaImages
import MecaTraining
import Testing

/// Cells of images and the pixels in them.
@Suite struct PixelCellsTests {
  /// Images whose bytes tell sample, channel, row and column.
  private func data(height: Int, width: Int, count: Int = 3) -> GivenData {
    let shape = ImageShape(channels: 3, height: height, width: width)
    var bytes: [UInt8] = []
    for sample in 0..<count {
      for channel in 0..<3 {
        for row in 0..<height {
          for column in 0..<width {
            bytes.append(UInt8((sample * 40 + channel * 80 + row * 7 + column) % 256))
          }
        }
      }
    }
    let set = MemorySet(
      name: "made", classNames: ["a"], imageShape: shape,
      labels: [Int](repeating: 0, count: count), images: bytes)
    return GivenData(set, labels: [Int32](repeating: 0, count: count))
  }

  @Test(arguments: [(32, 32, 16, 4), (28, 28, 16, 4), (64, 48, 16, 12), (5, 7, 16, 1)])
  func cellsCoverTheImageOnce(height: Int, width: Int, side: Int, number: Int) throws {
    let cells = try data(height: height, width: width).pixelCells(side: side, margin: 0)
    #expect(cells.cells.count == number)
    var visits = [Int](repeating: 0, count: height * width)
    for cell in cells.cells {
      for row in cell.rows { for column in cell.columns { visits[row * width + column] += 1 } }
    }
    #expect(visits.allSatisfy { $0 == 1 })
    #expect(cells.ownCells.map(\.number) == Array(0..<number))
  }

  @Test func pixelsAreTheImages() throws {
    let cells = try data(height: 20, width: 33).pixelCells(side: 8, margin: 2)
    #expect(cells.reduction == 1)
    for sample in 0..<3 {
      let window = cells.window(of: sample)
      for (channel, row, column) in [(0, 0, 0), (2, 19, 32), (1, 7, 8)] {
        #expect(
          window.pixel(channel, row, column)
            == UInt8((sample * 40 + channel * 80 + row * 7 + column) % 256))
      }
    }
  }

  /// 130 columns become 44 of three pixels each, the last of one.
  @Test func largeImagesAreAveragedDown() throws {
    let cells = try data(height: 3, width: 130, count: 1).pixelCells(side: 16, margin: 0)
    #expect(cells.reduction == 3)
    #expect(cells.imageShape == ImageShape(channels: 3, height: 1, width: 44))
    let window = cells.window(of: 0)
    // Rows 0, 7, 14 and columns 0, 1, 2: the middle one.
    #expect(window.pixel(0, 0, 0) == 8)
    #expect(window.pixel(0, 0, 43) == UInt8(129 + 7))
  }
}
