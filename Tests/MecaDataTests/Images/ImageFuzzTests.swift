import Glibc
import MecaCore
import MecaImages
import MecaTestSupport
import Testing

/// Damages small image files in many ways each: an error, or a picture of the header's size.
///
/// The samples of WebP carry Exif data too.
@Suite struct ImageFuzzTests {
  @Test func survivesDamagedJPEG() throws {
    try survives(files: JPEGSample.all.map(\.file), seed: 1, sizeInHeader: jpegSize) { $0 }
  }

  @Test func survivesDamagedPNG() throws {
    var random = KeyedRandom(seed: 2, purpose: .test)
    let shape = ImageShape(channels: 3, height: 9, width: 14)
    var files = [
      try encodePNG(
        (0..<shape.byteCount).map { _ in UInt8(random.integer(below: 256)) }, shape: shape)
    ]
    for (type, depth, interlaced) in [(3, 4, true), (0, 1, false), (2, 16, true), (6, 8, false)] {
      var png = HandMadePNG(
        width: 14, height: 9, depth: depth, colourType: type, interlaced: interlaced,
        palette: type == 3 ? (0..<48).map { UInt8($0) } : [],
        transparency: type == 3 ? [0, 100] : [], samples: [])
      png.samples = (0..<14 * 9 * png.channels).map { _ in random.integer(below: 1 << depth) }
      files.append(png.file)
    }
    // Checksums are put right after half of the damages, which then reach what is behind them.
    var count = 0
    try survives(files: files, seed: 3, sizeInHeader: pngSize) { file in
      count += 1
      return count % 2 == 0 ? HandMadePNG.repaired(file) : file
    }
  }

  @Test func survivesDamagedWebP() throws {
    try survives(files: WebPSample.all.map(\.file), seed: 4, sizeInHeader: { _ in nil }) { $0 }
  }

  private func survives(
    files: [[UInt8]], seed: UInt64, sizeInHeader: ([UInt8]) -> [Int]?,
    finish: ([UInt8]) -> [UInt8]
  ) throws {
    var random = KeyedRandom(seed: seed, purpose: .test)
    let memory = peakMegabytes()
    let begin = ContinuousClock.now
    var (reads, errors) = (0, 0)
    for _ in 0..<casesOfTenThousand {
      let file = finish(damaged(files[random.integer(below: files.count)], &random))
      do {
        let image = try file.withUnsafeBytes { try decodeImage($0, path: "dir/a") }
        let size = [image.shape.width, image.shape.height]
        if let expected = sizeInHeader(file) { #expect(size == expected) }
        // What the file's other parts say is read on the way to training.
        let turned = try file.withUnsafeBytes {
          try decodeImage($0, path: "dir/a", PictureRules()).image
        }
        #expect(turned.pixels.count == image.pixels.count && turned.alpha == nil)
        #expect(image.pixels.count == 3 * size[0] * size[1])
        #expect(image.alpha == nil || image.alpha?.count == size[0] * size[1])
        reads += 1
      } catch let error as FileError {
        guard case .malformed(path: "dir/a", let reason) = error else {
          Issue.record("\(error)")
          continue
        }
        #expect(!reason.isEmpty && !reason.contains("\n"))
        errors += 1
      }
    }
    // Both ways out must have been taken often, or the test tests nothing.
    #expect(reads > share(300) && errors > share(3000), "\(reads) reads, \(errors) errors")
    #expect(peakMegabytes() - memory < 200)
    #expect(ContinuousClock.now - begin < .seconds(120))
  }

  /// A file cut off, with flipped bits, with other bytes, or with a run of bytes taken out or twice.
  private func damaged(_ file: [UInt8], _ random: inout KeyedRandom) -> [UInt8] {
    var file = file
    switch random.integer(below: 8) {
    case 0: file.removeLast(random.integer(below: file.count + 1))
    case 1:
      let start = random.integer(below: file.count)
      file.removeSubrange(start..<min(file.count, start + 1 + random.integer(below: 8)))
    case 2:
      let start = random.integer(below: file.count)
      let run = file[start..<min(file.count, start + 1 + random.integer(below: 40))]
      file.insert(contentsOf: Array(run), at: start)
    case 3:
      // Extreme bytes near the beginning, where sizes and lengths stand.
      for _ in 0..<1 + random.integer(below: 4) {
        let place = random.integer(below: min(file.count, 200))
        file[place] = [0, 0xFF, 0x7F, 0x80][random.integer(below: 4)]
      }
    default: break
    }
    for _ in 0..<random.integer(below: 4) where !file.isEmpty {
      file[random.integer(below: file.count)] ^= 1 << UInt8(random.integer(below: 8))
    }
    return file
  }

  /// Width and height in the first frame header of a JPEG file, found by its own walk.
  private func jpegSize(_ file: [UInt8]) -> [Int]? {
    var place = 2
    while place + 9 < file.count {
      guard file[place] == 0xFF else {
        place += 1
        continue
      }
      let marker = file[place + 1]
      if [0xC0, 0xC1, 0xC2].contains(marker) {
        return [
          Int(file[place + 7]) << 8 | Int(file[place + 8]),
          Int(file[place + 5]) << 8 | Int(file[place + 6]),
        ]
      }
      if [0x00, 0x01, 0xFF].contains(marker) || (0xD0...0xD7).contains(marker) {
        place += marker == 0xFF ? 1 : 2
      } else {
        place += 2 + Int(file[place + 2]) << 8 + Int(file[place + 3])
      }
    }
    return nil
  }

  private func pngSize(_ file: [UInt8]) -> [Int]? {
    [16, 20].map { start in file[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } }
  }
}

private func peakMegabytes() -> Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_maxrss / 1024
}
