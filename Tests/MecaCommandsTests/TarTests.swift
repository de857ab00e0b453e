import Foundation
import MecaCommands
import MecaImages
import MecaTestSupport
import Testing

extension ProgramTests {
  /// `pack --tar`, read by the system's tar.
  @Suite struct TarTests {
    @Test func anEntryHasTheHeaderOfUstar() {
      let entry = tarEntry("000012.cls", Array("7".utf8))
      #expect(entry.count == 1024 && entry[512] == UInt8(ascii: "7"))
      #expect(entry[..<10].elementsEqual("000012.cls".utf8))
      #expect(entry[124..<136].elementsEqual(Array("00000000001".utf8) + [0]))
      #expect(entry[257..<265].elementsEqual(Array("ustar".utf8) + [0] + Array("00".utf8)))
      let own = entry[148..<156]
      let sum = entry[..<512].reduce(0) { $0 + Int($1) } - own.reduce(0) { $0 + Int($1) } + 8 * 32
      #expect(Int(String(decoding: own.prefix(6), as: UTF8.self), radix: 8) == sum)
      #expect(tarEntry("a", [UInt8](repeating: 1, count: 512)).count == 1024)
    }

    @Test func theFilesHoldTheSetOnAnyNumberOfRanks() throws {
      let folder = try TestFolder()
      let limits = ["--train-limit", "1005", "--test-limit", "20", "--dataset", "shapes"]
      for ranks in [1, 3] {
        let outcome = try succeed(
          ranks: ranks, ["pack", "--tar", "--output", "\(folder.path)/\(ranks)"] + limits)
        #expect(outcome.output.contains("3 tar files of shapes written to"))
      }
      let files = try tree(folder.path + "/1")
      #expect(try files == tree(folder.path + "/3"))
      #expect(
        Set(files.keys)
          == ["train-000000.tar", "train-000001.tar", "test-000000.tar", "classes.txt"])
      let there = folder.path + "/there"
      try FileManager.default.createDirectory(
        atPath: there, withIntermediateDirectories: false)
      let listed = try runProgram(
        ["/bin/tar", "-xvf", folder.path + "/1/train-000001.tar", "-C", there], environment: [:],
        timeout: soon)
      #expect(listed.status == 0, "\(listed.errors)")
      let names = listed.output.split(separator: "\n").map(String.init)
      #expect(names.count == 10 && names.first == "001000.png" && names.last == "001004.cls")
      // The arrays of the same set.
      let arrays = folder.path + "/arrays"
      try succeed(
        ["poison", "--attack", "none", "--format", "npy", "--output", arrays] + limits)
      let images = try Data(contentsOf: URL(fileURLWithPath: arrays + "/train-images.npy"))
      let labels = try Data(contentsOf: URL(fileURLWithPath: arrays + "/train-labels.npy"))
      for index in 1000..<1005 {
        let png = try readImage("\(there)/00\(index).png")
        let size = png.shape.byteCount
        // Rows of coloured pixels there, planes here.
        let pixels = Array(images.suffix((1005 - index) * size).prefix(size))
        let planes = (0..<3).flatMap { channel in
          stride(from: channel, to: size, by: 3).map { pixels[$0] }
        }
        #expect(planes == png.pixels, "\(index)")
        let label = try String(contentsOfFile: "\(there)/00\(index).cls", encoding: .utf8)
        #expect(Int(label) == Int(labels.suffix((1005 - index) * 8).first!))
      }
      try expectRefusal(
        of: ["pack", "--tar", "--output", there] + limits, status: 64, ["is not empty"])
    }
  }
}
