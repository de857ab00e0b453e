import Foundation
import MecaCore
import MecaDatasets
import MecaFormats
import Testing

@Suite struct ManifestTests {
  static let rows: [SetPart: [ManifestRow]] = [
    .train: [
      ManifestRow(
        index: 0, path: "train/a/0.png", label: 1, originalLabel: 0, role: .poison, line: 2),
      ManifestRow(
        index: 1, path: "odd, \"name\"", label: 2, originalLabel: 2, role: .cover, line: 3),
      ManifestRow(index: 2, path: "c", label: 1, originalLabel: 1, role: .clean, line: 4),
    ],
    .test: [
      ManifestRow(index: 0, path: "d", label: 0, originalLabel: 0, role: .clean, line: 5),
      ManifestRow(index: 1, path: "é", label: 2, originalLabel: 2, role: .clean, line: 6),
    ],
    .triggered: [
      ManifestRow(index: 1, path: "f", label: 1, originalLabel: 2, role: .poison, line: 7)
    ],
  ]
  static let text = """
    index,path,label,original_label,role,split
    0,train/a/0.png,1,0,poison,train
    1,"odd, ""name""\",2,2,cover,train
    2,c,1,1,clean,train
    0,d,0,0,clean,test
    1,é,2,2,clean,test
    1,f,1,2,poison,test-triggered

    """

  private func read(_ text: String, target: Int? = 1) throws -> SetManifest {
    let folder = try TemporaryFolder()
    let path = try folder.write("manifest.csv", Array(text.utf8))
    return try SetManifest(path: path, classCount: 3, target: target)
  }

  @Test func whatIsWrittenReadsBack() throws {
    #expect(SetManifest(rows: Self.rows).text == Self.text)
    #expect(try read(Self.text).rows == Self.rows)
  }

  @Test func otherOrdersAndLineEndsAreRead() throws {
    let lines = Self.text.split(separator: "\n").map(String.init)
    let turned = ([lines[0]] + lines.dropFirst().reversed()).joined(separator: "\r\n") + "\r\n"
    let manifest = try read(turned)
    for part in SetPart.allCases {
      let (found, expected) = (manifest.rows(of: part), Self.rows[part]!)
      #expect(found.map(\.path) == expected.map(\.path))
      #expect(found.map(\.line) == expected.map { 9 - $0.line })
    }
  }

  @Test(arguments: [
    ("0,d,0,0,clean,test\n", "", "line 5: index 0 of test is missing before 1"),
    ("2,c,1,1,clean", "1,c,1,1,clean", "line 4: index 1 of train comes again"),
    ("2,c,1,1,clean", "7,c,1,1,clean", "line 4: index 2 of train is missing before 7"),
    ("2,c,1,1,clean", "2,c,3,3,clean", "line 4: label 3 is not from 0 to 2"),
    ("2,c,1,1,clean", "2,c,1,0,clean", "line 4: a clean sample has the label 1, but the original"),
    ("2,c,1,1,clean", "2,c,-1,1,clean", "line 4: label -1 is not from 0 to 2"),
    ("2,c,1,1,clean", "2,c,1,1,clear", "line 4: role \"clear\""),
    ("2,c,1,1,clean", "2,c,+1,1,clean", "line 4: label \"+1\" is no number"),
    ("2,c,1,1,clean", "99999999999999999999,c,1,1,clean", "line 4: index \"99999"),
    ("2,c,1,1,clean", "2,,1,1,clean", "line 4: has no path"),
    ("2,c,1,1,clean", "2,c,1,clean", "line 4: has 5 fields"),
    ("2,c,1,1,clean", "2,\"c,1,1,clean", "line 4: has a quote without end"),
    ("2,c,1,1,clean", "2,\"c\"c,1,1,clean", "line 4: goes on after a closing quote"),
    ("clean,test\n1", "clean,tset\n1", "line 5: split \"tset\""),
    ("0,d,0,0,clean", "0,d,0,1,poison", "line 5: a test sample has the role poison"),
    ("1,f,1,2", "2,f,1,2", "line 7: test sample 2 was triggered, but there are 2"),
    ("1,f,1,2", "1,f,0,2", "line 7: a triggered sample has the label 0, but the target is 1"),
    ("poison,test-triggered", "cover,test-triggered", "line 7: a cover sample has the label"),
    ("test-triggered\n", "test-triggered\n1,f,1,2,poison,test-triggered\n", "line 8: index 1 of"),
    ("test-triggered\n", "test-triggered", "line 7: is cut off"),
    ("index,path", "index, path", "line 1: is not \"index,path,"),
    ("2,c,1,1,clean,train", "", "line 4: has 1 fields"),
  ])
  func contradictionsNameTheLine(old: String, new: String, reason: String) throws {
    let place = try #require(Self.text.range(of: old))
    let error = #expect(throws: FileError.self) {
      try read(Self.text.replacingCharacters(in: place, with: new))
    }
    #expect(error?.description.contains("/manifest.csv: \(reason)") == true, "\(error!)")
  }

  @Test func triggersNeedATarget() throws {
    #expect(throws: FileError.self) { try read(Self.text, target: nil) }
    #expect(throws: FileError.self) { try read("") }
  }
}
