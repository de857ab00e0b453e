import Foundation
import MecaCore
import MecaFormats
import MecaTestSupport
import Testing

/// Which images are held out to judge by.
@Suite struct HeldOutPartTests {
  private func folder(_ sizes: [Int]) throws -> ImageFolder {
    let folder = try ImageFolder()
    for (label, size) in sizes.enumerated() {
      for index in 0..<size { try folder.write("c\(label)/\(index).jpg", "\(index)") }
    }
    return folder
  }

  private func list(
    _ folder: ImageFolder, share: Double = 0.2, seed: UInt64 = 1, isWhole: Bool = false,
    record: HeldOutRecord? = nil
  ) throws -> ImageFileSplits {
    try listClassFolders(
      folder.path, part: HeldOutPart(share: share, seed: seed), isWhole: isWhole, record: record)
  }

  @Test(arguments: [0.2, 0.5, 0.01])
  func aShareOfEachClassIsHeldOut(share: Double) throws {
    let sizes = [400, 3, 2, 1]
    let folder = try folder(sizes)
    let lists = try list(folder, share: share)
    let held = (0..<4).map { label in lists.test.labels.filter { $0 == label }.count }
    let spread = 4 * (400 * share * (1 - share)).squareRoot()
    #expect(abs(Double(held[0]) - 400 * share) <= max(spread, 1))
    // Every class that can gives one and keeps one.
    #expect((1...2).contains(held[1]) && held[2] == 1 && held[3] == 0)
    #expect(
      (lists.train.entries + lists.test.entries).sorted()
        == sizes.enumerated().flatMap { label, size in
          (0..<size).map { "c\(label): c\(label)/\($0).jpg" }
        }.sorted())
    #expect(lists.heldOut == HeldOutPart(share: share, seed: 1))
    #expect(lists.notes.first?.hasPrefix("\(held.reduce(0, +)) of 406 images are held out") == true)
  }

  /// A file that goes or comes changes nothing for the others.
  @Test func imagesStayWhereTheyAre() throws {
    let folder = try folder([40, 40])
    let before = Set(try list(folder).test.entries)
    for name in ["c0/7.jpg", "c1/0.jpg", "c1/39.jpg"] {
      try FileManager.default.removeItem(atPath: folder.path + "/" + name)
    }
    for index in 40..<60 { try folder.write("c0/\(index).jpg", "x") }
    let after = try list(folder)
    let (train, test) = (Set(after.train.entries), Set(after.test.entries))
    #expect(before.isDisjoint(with: train))
    #expect(
      test.subtracting(before).allSatisfy { $0.hasPrefix("c0: c0/4") || $0.hasPrefix("c0: c0/5") })
  }

  @Test func theSeedDecidesWhatIsHeldOut() throws {
    let folder = try folder([40, 40])
    let all = try (0..<5).map { Set(try list(folder, seed: $0).test.entries) }
    #expect(Set(all).count == 5)
    // The choices in two classes have nothing to do with each other.
    func files(_ label: String) -> Set<String> {
      Set(all[0].filter { $0.hasPrefix(label) }.map { String($0.dropFirst(7)) })
    }
    #expect(files("c0") != files("c1"))
  }

  @Test func theModelsOwnFolderIsKnownAgain() throws {
    let folder = try folder([40, 40])
    let trained = try list(folder, seed: 9)
    let record = HeldOutRecord(
      try #require(trained.heldOut), train: trained.train, test: trained.test)
    #expect(HeldOutRecord(record.text) == record)
    // Whoever measures with another seed gets the images that the model has not seen all the same.
    let again = try list(folder, seed: 1, isWhole: true, record: record)
    #expect(again.test.entries == trained.test.entries)
    #expect(again.notes.contains { $0.contains("is what the model was trained on") })
    #expect(!again.warnings.contains { $0.contains("come or gone") })
    for name in ["c0/7.jpg", "c1/0.jpg"] {
      try FileManager.default.removeItem(atPath: folder.path + "/" + name)
    }
    for index in 40..<50 { try folder.write("c0/\(index).jpg", "x") }
    let later = try list(folder, isWhole: true, record: record)
    #expect(Set(later.test.entries).isDisjoint(with: trained.train.entries))
    #expect(later.warnings.contains { $0.contains("files have come or gone since") })
    // Another folder is nobody's training set, and is taken whole.
    let other = try ImageFolder()
    for index in 0..<40 {
      for name in ["c0", "c1"] { try other.write("\(name)/\(index).jpg", "\(index) longer") }
    }
    let whole = try list(other, isWhole: true, record: record)
    #expect(whole.test.count == 80 && whole.heldOut == nil)
    #expect(whole.notes.contains { $0.hasSuffix("has no splits and is taken whole") })
  }

  @Test(arguments: [
    "", "{}", "{\"share\":2,\"seed\":1,\"count\":1,\"digest\":\"\",\"sketch\":[\"a\"]}",
  ])
  func anotherTextIsNoRecord(text: String) { #expect(HeldOutRecord(text) == nil) }
}
