import MecaCore
import MecaDefenses
import MecaTraining
import Testing

/// What pixels alone say of made pictures with known triggers, and of clean ones.
@Suite struct ForensicsTests {
  private func findings(
    _ pictures: MadePictures, _ kinds: [Finding.Kind] = Finding.Kind.allCases
  ) throws -> [Finding] {
    try Forensics(bench: pictures.bench(), kinds: kinds).findings(key: StageKey("forensics")).all
  }

  @Test(arguments: [1, 2, 3])
  func cleanPicturesHaveNoStrongFinding(seed: UInt64) throws {
    #expect(try !findings(MadePictures(seed: seed)).contains { $0.isStrong })
  }

  /// A white square of 3x3 in the corner of 20 samples: they and nobody else.
  @Test func aPastedSquareIsFoundExactly() throws {
    var pictures = MadePictures()
    pictures.poison { old, _, row, column in row >= 13 && column >= 13 ? 255 : old }
    let found = try findings(pictures, [.patch])
    #expect(found.count == 1)
    #expect(found.first?.label == 2 && found.first?.isStrong == true)
    #expect(found.first?.suspects == MadePictures.poisoned)
    #expect(found.first?.rows == 13..<16 && found.first?.columns == 13..<16)
  }

  /// A white ground that most pictures of a label have is no pasted square: it goes on all around.
  @Test func aPlainGroundIsNoPatch() throws {
    var pictures = MadePictures()
    pictures.poison(Array(200..<280)) { old, _, row, column in
      row < 3 || row > 12 || column < 3 || column > 12 ? 255 : old
    }
    #expect(try findings(pictures, [.patch]).isEmpty)
  }

  /// The same square in eight samples of each of four labels: a stamp of all, a patch of none.
  @Test func aMarkOnAllLabelsIsAStamp() throws {
    var pictures = MadePictures()
    let marked = (0..<4).flatMap { label in (0..<8).map { Int32(100 * label + 3 * $0) } }
    pictures.poison(marked) { old, _, row, column in row >= 13 && column >= 13 ? 255 : old }
    let found = try findings(pictures, [.patch, .stamp])
    #expect(found.map(\.label) == [0, 1, 2, 3])
    #expect(found.allSatisfy { $0.kind == .stamp && !$0.isStrong && $0.strength == 8 })
    #expect(found.flatMap(\.suspects) == marked)
    #expect(found.allSatisfy { $0.rows == 13..<16 && $0.columns == 13..<16 })
    #expect(try findings(pictures, [.patch]).isEmpty)
  }

  /// The same square, each pixel off by up to two as after compression: no pixel recurs exactly, and
  /// the template is there.
  @Test func aBlurredPatchIsATemplate() throws {
    var pictures = MadePictures()
    var random = KeyedRandom(seed: 9, purpose: .test)
    pictures.poison { old, channel, row, column in
      guard row >= 12 && column >= 12 else { return old }
      let ideal: Float = (row + column + channel) % 2 == 0 ? 220 : 40
      return (ideal + random.uniform(in: -4...4)).rounded()
    }
    #expect(try findings(pictures, [.patch]).isEmpty)
    let found = try findings(pictures, [.colour])
    #expect(found.first?.label == 2 && found.first?.isStrong == true)
    #expect(found.first?.suspects == MadePictures.poisoned)
  }

  /// A faint pattern over the whole image, on samples of the label's own contents.
  @Test func aBlendIsATemplate() throws {
    var pictures = MadePictures()
    var pattern = KeyedRandom(seed: 5, purpose: .test)
    let values = (0..<3 * 256).map { _ in pattern.uniform(in: -12...12) }
    pictures.poison { old, channel, row, column in old + values[(channel * 16 + row) * 16 + column]
    }
    let found = try findings(pictures, [.colour])
    #expect(found.count { $0.isStrong } == 1)
    #expect(found.first { $0.isStrong }?.label == 2)
    #expect(found.first { $0.isStrong }?.suspects == MadePictures.poisoned)
  }

  /// A pattern needs sixteen samples to be looked for; where only twelve have it, only these are named.
  @Test func fewWithAPatternBringNobodyIn() throws {
    var pictures = MadePictures()
    let few = Array(MadePictures.poisoned.prefix(12))
    pictures.poison(few) { old, _, row, column in row >= 13 && column >= 13 ? 255 : old }
    #expect(try findings(pictures, [.colour]).first?.suspects == few)
  }

  /// Every second column smoothed: colours stay, sharpness has a pattern.
  @Test func smoothingInPlacesIsASharpness() throws {
    var pictures = MadePictures()
    let samples = Array(Int32(200)..<250)
    let before = pictures
    for sample in samples {
      for channel in 0..<3 {
        for row in 1..<15 where row % 8 < 4 {
          for column in 1..<15 {
            let around = (-1...1).flatMap { dy in
              (-1...1).map { dx in
                Int(before.pixels[before.place(Int(sample), channel, row + dy, column + dx)])
              }
            }
            pictures.pixels[pictures.place(Int(sample), channel, row, column)] = UInt8(
              around.reduce(0, +) / 9)
          }
        }
      }
    }
    let found = try findings(pictures, [.sharpness]).filter(\.isStrong)
    #expect(found.map(\.label) == [2])
    let right = Set(found.first?.suspects ?? []).intersection(samples).count
    #expect(right >= 48 && (found.first?.suspects.count ?? 0) <= 52)
  }

  /// Findings survive the way through a checkpoint.
  @Test func findingsGoThroughColumns() throws {
    let findings = Findings([
      Finding(
        label: 3, kind: .patch, strength: 20.5, isStrong: true, rows: 1..<4, columns: 0..<3,
        suspects: [4, 9]),
      Finding(
        label: 5, kind: .sharpness, strength: 3, isStrong: false, rows: 0..<8, columns: 8..<16,
        suspects: []),
    ])
    #expect(try Findings(columns: findings.columns) == findings)
    #expect(throws: MissingColumn.self) { try Findings(columns: Columns()) }
  }

  /// Eight of a label that is a quarter of all may share a patch by chance (10^-4.9); from 10^-6 on it
  /// is worth a look, from 10^-12 on strong.
  @Test func aPatchMustBeUnlikely() throws {
    for count in [8, 9, 10, 19, 20] {
      var pictures = MadePictures()
      pictures.poison(Array(200..<200 + Int32(count))) { old, _, row, column in
        row >= 13 && column >= 13 ? 255 : old
      }
      let tail = hypergeometricTail(count, drawn: 100, marked: count, count: 400)
      let found = try findings(pictures, [.patch])
      #expect(found.isEmpty == (tail > -6), "\(count): \(tail)")
      #expect(found.contains(where: \.isStrong) == (tail <= -12), "\(count): \(tail)")
    }
  }

  /// One label alone, or none with samples enough: nothing to compare, nothing found.
  @Test func setsTooSmallAreLeftAlone() throws {
    let bench = try ScriptedWorkbench(labels: [Int32](repeating: 0, count: 60)) { _ in [] }
    #expect(
      try Forensics(bench: bench, kinds: Finding.Kind.allCases).findings(key: StageKey("f")).all
        .isEmpty)
    let few = try ScriptedWorkbench(labels: (0..<30).map { Int32($0 % 3) }) { _ in [] }
    #expect(
      try Forensics(bench: few, kinds: Finding.Kind.allCases).findings(key: StageKey("f")).all
        .isEmpty)
  }
}
