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
          ranks: ranks, Self.program,
          ["reduce", "\(shards)", "\(count)", "11", "\(threads)", "1000000", "0"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output == expected, "\(ranks) ranks, \(threads) threads")
      }
    }
  }

  /// Buckets of less than a chunk for each rank, odd ones, and one for all; more of them than are
  /// under way at once; begun early, with a late rank, and in one go.
  @Test(arguments: [5, 8, 16], [1, 2, 3, 5, 8])
  func bucketsAndOverlapChangeNoBits(shards: Int, ranks: Int) throws {
    let count = 20_011
    let expected = "digest \(naiveDigest(shards: shards, count: count, seed: 3))\n"
    for (bucket, overlap) in [(17, 1), (1001, 0), (1001, 1), (4096, 1), (100_000, 1)] {
      for threads in [1, 2] {
        let outcome = try runWithMPI(
          ranks: ranks, Self.program,
          ["reduce", "\(shards)", "\(count)", "3", "\(threads)", "\(bucket)", "\(overlap)"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output == expected, "bucket \(bucket), overlap \(overlap)")
      }
    }
  }

  @Test func theCostOfBothReductionsIsMeasured() throws {
    let outcome = try runWithMPI(ranks: 3, Self.program, ["bench", "50000", "3", "8", "0"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let words = outcome.output.split(separator: " ")
    #expect(words.prefix(3) == ["bytes", "200000", "ordered"])
    #expect([3, 6, 8].allSatisfy { Double(words[$0]) ?? 0 > 0 }, "\(outcome.output)")
  }

  /// A digest that differs must be seen as different: another seed, one shard more or fewer.
  @Test func otherNumbersGiveAnotherDigest() throws {
    let outcome = try runWithMPI(
      ranks: 3, Self.program, ["reduce", "8", "1003", "11", "1", "100", "1"])
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
