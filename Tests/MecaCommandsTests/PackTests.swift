import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// A packed file holds the set that it was made of, byte by byte.
  @Suite struct PackTests {
    /// `tinyRun`'s clean set, packed once.
    private static let packed = Result {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: 2, ["pack"] + tinyData + ["--output", folder.path + "/set.meca"])
      guard outcome.status == 0 else { throw LaunchError(description: outcome.errors) }
      return folder
    }

    @Test(arguments: runsFull ? [0, 1, 3] : [3])
    func theFileDoesNotDependOnTheRanks(ranks: Int) throws {
      let folder = try TestFolder()
      let outcome = try succeed(
        ranks: ranks, ["pack"] + tinyData + ["--output", folder.path + "/set.meca"])
      #expect(try folder.bytes("set.meca") == Self.packed.get().bytes("set.meca"))
      #expect(outcome.output.hasPrefix("150 training, 70 test images of shapes packed into "))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["set.meca"])
    }

    @Test func aRunFromThePackedSetGivesTheSameBits() throws {
      let own = try RunBits(referenceRun.get())
      let folder = try TestFolder()
      try succeed(
        ranks: 3,
        tinyTraining + tinyAttack + [
          "--dataset", "packed", "--data", try Self.packed.get().path + "/set.meca", "--output",
          folder.path,
        ])
      let found = try RunBits(folder)
      #expect(found.weights == own.weights && found.scores == own.scores)
      // Paths too are those of the set that was packed.
      #expect(found.suspects == own.suspects && found.suspectCount > 0)
    }

    @Test func aPackedPoisonedSetKeepsTruthAndTriggers() throws {
      let folder = try TestFolder()
      let written = try #require(writtenSets["png"]).get().path + "/set"
      let outcome = try succeed(
        ranks: 3,
        ["pack", "--dataset", "folder", "--data", written, "--output", folder.path + "/set.meca"])
      #expect(outcome.output.contains("150 training, 70 test, 63 triggered test images of shapes"))
      try succeed(
        ranks: 2,
        tinyTraining + [
          "--dataset", "packed", "--data", folder.path + "/set.meca", "--output",
          folder.path + "/run",
        ])
      let expected = try result(referenceRun.get())
      let found = try #require(
        try JSONSerialization.jsonObject(with: folder.bytes("run/result.json")) as? [String: Any])
      #expect(found["weights_sha256"] as? String == expected["weights_sha256"] as? String)
      for key in ["relearned", "detection"] {
        #expect(found[key] as? NSDictionary == expected[key] as? NSDictionary)
      }
      let line = String(decoding: try folder.bytes("run/suspects.csv"), as: UTF8.self)
        .split(separator: "\n")[1]
      #expect(line.contains(",train/") && line.contains(".png,"))
      // And back into files.
      try succeed(
        ranks: 2,
        [
          "poison", "--dataset", "packed", "--data", folder.path + "/set.meca", "--output",
          folder.path + "/set",
        ])
      #expect(try tree(folder.path + "/set") == tree(written))
    }

    @Test func aDamagedBlockIsNamed() throws {
      let folder = try TestFolder()
      var bytes = try Self.packed.get().bytes("set.meca")
      bytes[4096 + 160 * 3072] ^= 4
      try folder.write("set.meca", bytes)
      try expectFailure(
        ["--dataset", "packed", "--data", folder.path + "/set.meca"], status: 65,
        ["set.meca: block 1, samples 0 to 69 of test, is not what was packed"], ranks: [3],
        in: folder)
      try folder.write("set.meca", bytes.dropLast(1))
      try expectFailure(
        ["--dataset", "packed", "--data", folder.path + "/set.meca"], status: 65,
        ["set.meca: has ", "cut off"], in: folder)
    }

    /// On all ranks, which the first notices at once, or on the one alone that writes the end.
    @Test(arguments: ["", "[ $OMPI_COMM_WORLD_RANK != 1 ] || "])
    func aFullDiskLeavesNothing(condition: String) throws {
      let folder = try TestFolder()
      let old = try folder.write("set.meca", Data("old".utf8))
      let own = [try program(), "pack"] + tinyData + ["--output", old]
      let outcome = try runProgram(
        ["mpirun", "--oversubscribe", "-n", "3", "bash", "-c"]
          + ["\(condition)ulimit -f 400; exec \"$@\"", "bash"] + own,
        environment: rootMayRunMPI, timeout: 60)
      expectOneLine(
        outcome, status: 74,
        ["set.meca", "File too large"] + (condition.isEmpty ? [] : ["rank 1 of 3"]))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["set.meca"])
      #expect(try folder.bytes("set.meca") == Data("old".utf8))
    }

    @Test(arguments: [
      ([], 64 as Int32, "--output"), (["--output", ""], 64, "--output"),
      (["--output", "/no/such/set.meca"], 74, "/no/such/set.meca"),
      (["--output", "x.meca", "--dataset", "packed"], 64, "--data"),
      (["--output", "x.meca", "--dataset", "packed", "--data", "/no/such"], 65, "/no/such"),
    ])
    func misuseIsSaid(arguments: [String], status: Int32, part: String) throws {
      try expectRefusal(
        of: ["pack"] + arguments, status: status, [part], ranks: status == 74 ? [2] : [],
        fullRanks: [2])
    }
  }
}
