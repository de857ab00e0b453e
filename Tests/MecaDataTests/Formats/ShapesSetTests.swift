import MecaCore
import MecaFormats
import MecaImages
import Testing

@Suite struct ShapesSetTests {
  /// These bytes are part of every published result: a change of the drawing code must be meant.
  @Test(arguments: [
    (Split.train, "9b1fa9a82025172d8466138df03da9fff9c590d83116ee0305758cb9213a52ca"),
    (Split.test, "64807a3c30ed1de03cc2af8d9cb3028e1bd44bc5d423c8ace75cc07b1fed25e6"),
  ])
  func firstImagesAreGolden(split: Split, expected: String) throws {
    let set = ShapesSet(seed: 1, split: split)
    var digest = SHA256Digest()
    digest.update(try set.images(0..<64))
    digest.update((0..<64).map { UInt8(set.label(at: $0)) })
    #expect(digest.hexadecimal() == expected)
  }

  @Test func imagesDoNotDependOnTheOrderOfDrawing() throws {
    let set = ShapesSet(seed: 7, split: .train, count: 120)
    let bytes = set.imageShape.byteCount
    let whole = try set.images(0..<120)
    #expect(whole.count == 120 * bytes)
    #expect(try set.images(0..<33) + set.images(33..<34) + set.images(34..<120) == whole)
    #expect(try set.images(60..<60).isEmpty)
    for index in (0..<120).reversed() {
      #expect(try set.image(at: index) == Array(whole[index * bytes..<(index + 1) * bytes]))
    }
  }

  @Test func imagesDoNotDependOnThreadsOrOnTheCount() async throws {
    let short = ShapesSet(seed: 7, split: .test, count: 40)
    let long = ShapesSet(seed: 7, split: .test, count: 400)
    let parallel = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
      for index in 0..<40 { group.addTask { (index, try long.image(at: index)) } }
      var images = [[UInt8]](repeating: [], count: 40)
      for try await (index, image) in group { images[index] = image }
      return images
    }
    #expect(try parallel == (0..<40).map { try short.image(at: $0) })
    #expect(short.labels == Array(long.labels.prefix(40)))
  }

  @Test func everyTenSamplesHoldEveryClassInVaryingOrder() {
    let set = ShapesSet(seed: 3, split: .train, count: 200)
    let blocks = (0..<20).map { block in (0..<10).map { set.label(at: block * 10 + $0) } }
    for block in blocks { #expect(block.sorted() == Array(0..<10)) }
    #expect(Set(blocks).count == 20)
    #expect(set.classNames.count == 10)
    #expect(Set(set.classNames).count == 10)
  }

  @Test func seedAndSplitChangeEveryImage() throws {
    let set = ShapesSet(seed: 1, split: .train, count: 50)
    let others = [
      ShapesSet(seed: 2, split: .train, count: 50), ShapesSet(seed: 1, split: .test, count: 50),
    ]
    for other in others {
      for index in 0..<50 { #expect(try set.image(at: index) != other.image(at: index)) }
      #expect(set.labels != other.labels)
    }
  }

  @Test func hasTheUsualSizesAndPaths() {
    let (train, test) = (ShapesSet(seed: 1, split: .train), ShapesSet(seed: 1, split: .test))
    #expect(train.count == 6000)
    #expect(test.count == 2000)
    #expect(train.path(at: 17) == "shapes/train#17")
    #expect(test.path(at: 1999) == "shapes/test#1999")
  }

  /// The constants are rounded to three digits: half a unit of the last one, plus float error.
  @Test func normalisationConstantsAreThoseOfTheSet() throws {
    let set = ShapesSet(seed: 1, split: .train)
    let bytes = try set.images(0..<set.count)
    let (mean, deviation) = set.meanAndDeviation
    for channel in 0..<3 {
      var (sum, squares) = (0, 0)
      for sample in 0..<set.count {
        let start = sample * 3072 + channel * 1024
        for value in bytes[start..<start + 1024] {
          sum += Int(value)
          squares += Int(value) * Int(value)
        }
      }
      let n = Double(set.count * 1024)
      let measured = Double(sum) / n
      let variance = Double(squares) / n - measured * measured
      #expect(abs(measured / 255 - Double(mean[channel])) < 0.00051)
      #expect(abs(variance.squareRoot() / 255 - Double(deviation[channel])) < 0.00051)
    }
  }
}

@Suite struct MemorySetTests {
  private let shape = ImageShape(channels: 1, height: 2, width: 2)

  @Test func givesBackWhatItWasGiven() throws {
    let set = MemorySet(
      name: "tiny", classNames: ["a", "b"], imageShape: shape, labels: [1, 0],
      images: [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(set.count == 2)
    #expect(set.labels == [1, 0])
    #expect(try set.image(at: 1) == [5, 6, 7, 8])
    #expect(set.path(at: 1) == "tiny#1")
  }

  @Test func holdsAGeneratedSet() throws {
    let shapes = ShapesSet(seed: 1, split: .test, count: 30)
    let copy = try MemorySet(
      of: shapes, images: shapes.images(0..<20) + shapes.images(20..<30))
    #expect(copy.name == "shapes")
    #expect(copy.labels == shapes.labels)
    #expect(copy.path(at: 4) == "shapes/test#4")
    #expect(copy.meanAndDeviation == shapes.meanAndDeviation)
    for index in 0..<30 { #expect(try copy.image(at: index) == shapes.image(at: index)) }
  }

  @Test func stopsOnBytesThatDoNotFit() async {
    await #expect(processExitsWith: .failure) {
      _ = MemorySet(
        name: "tiny", classNames: ["a"],
        imageShape: ImageShape(channels: 1, height: 2, width: 2), labels: [0], images: [1, 2, 3])
    }
  }
}
