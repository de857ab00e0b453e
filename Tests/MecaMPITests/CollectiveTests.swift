import MecaMPI
import MecaTestSupport
import Testing

/// Several ranks on this machine, as users start them.
@Suite(.serialized) struct CollectiveTests {
  static let program = "meca-mpi-probe"

  @Test(arguments: [1, 2, 3, 5, 8]) func collectivesGiveWhatTheyPromise(ranks: Int) throws {
    let outcome = try runWithMPI(ranks: ranks, Self.program, ["collectives"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output == "ok \(ranks)\n")
  }

  @Test func worksWithoutMpirun() throws {
    let outcome = try runProgram(
      [try productsFolder() + "/" + Self.program, "collectives"], timeout: 60)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output == "ok 1\n")
  }

  /// Shards and elements: powers of two and not, fewer elements than ranks, more ranks than shards.
  @Test(arguments: [(8, 1003), (6, 70_001), (13, 5), (3, 257), (1, 100)])
  func sumsHaveTheBitsOfTheDefinition(shards: Int, count: Int) throws {
    let expected = "digest \(naiveDigest(shards: shards, count: count, seed: 11))\n"
    for ranks in [1, 2, 3, 5, 8] {
      for threads in ranks < 3 ? [1, 3] : [2] {
        let outcome = try runWithMPI(
          ranks: ranks, Self.program, ["reduce", "\(shards)", "\(count)", "11", "\(threads)"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output == expected, "\(ranks) ranks, \(threads) threads")
      }
    }
  }

  /// A digest that differs must be seen as different: another seed, one shard more or fewer.
  @Test func otherNumbersGiveAnotherDigest() throws {
    let outcome = try runWithMPI(ranks: 3, Self.program, ["reduce", "8", "1003", "11", "1"])
    #expect(outcome.output.hasPrefix("digest "))
    for (shards, count, seed) in [(8, 1003, 12), (7, 1003, 11), (8, 1002, 11)] {
      let other = naiveDigest(shards: shards, count: count, seed: UInt64(seed))
      #expect(outcome.output != "digest \(other)\n")
    }
  }

  @Test func placementsNameEveryRankAndItsCores() throws {
    let outcome = try runWithMPI(ranks: 3, Self.program, ["placements"])
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == 3)
    for (rank, line) in lines.enumerated() {
      #expect(line.hasPrefix("rank \(rank) on ") && line.contains(": cores "))
      #expect(!line.hasSuffix("unknown"))
    }
  }

  /// 400 ms of waiting may cost the sleeping barrier at most a quarter of that.
  @Test func theSleepingBarrierSleeps() throws {
    let outcome = try runWithMPI(ranks: 2, Self.program, ["sleep"])
    let sleeping = outcome.output.split(separator: "\n").last?.split(separator: " ") ?? []
    #expect(sleeping.first == "sleeping", "\(outcome.output) \(outcome.errors)")
    #expect(Int(sleeping.last ?? "") ?? 400 < 100)
  }
}
