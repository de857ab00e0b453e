import MecaCore
import MecaNN

/// Named columns of one type each: what a checkpoint holds.
public struct Columns: Sendable, Equatable {
  /// A list of values of one type.
  public enum Column: Sendable, Equatable {
    /// Yes or no; a byte each in a file.
    case flags([Bool])
    /// Labels, classes, indices.
    case integers([Int32])
    /// Weights, losses.
    case floats([Float])
    /// Sums.
    case doubles([Double])
    /// Anything else, as it lies in memory.
    case bytes([UInt8])
  }

  /// All columns by name.
  public private(set) var all: [String: Column] = [:]

  /// No column.
  public init() {}

  /// The column called `name`.
  public subscript(name: String) -> Column? {
    get { all[name] }
    set { all[name] = newValue }
  }

  /// The values of a column of flags.
  ///
  /// - Throws: `MissingColumn` if there is none of this name and type.
  public func flags(_ name: String) throws -> [Bool] {
    guard case .flags(let values) = all[name] else { throw MissingColumn(name: name) }
    return values
  }

  /// The values of a column of integers.
  ///
  /// - Throws: `MissingColumn` if there is none of this name and type.
  public func integers(_ name: String) throws -> [Int32] {
    guard case .integers(let values) = all[name] else { throw MissingColumn(name: name) }
    return values
  }

  /// The values of a column of floats.
  ///
  /// - Throws: `MissingColumn` if there is none of this name and type.
  public func floats(_ name: String) throws -> [Float] {
    guard case .floats(let values) = all[name] else { throw MissingColumn(name: name) }
    return values
  }

  /// The values of a column of doubles.
  ///
  /// - Throws: `MissingColumn` if there is none of this name and type.
  public func doubles(_ name: String) throws -> [Double] {
    guard case .doubles(let values) = all[name] else { throw MissingColumn(name: name) }
    return values
  }

  /// The content of a column of bytes.
  ///
  /// - Throws: `MissingColumn` if there is none of this name and type.
  public func bytes(_ name: String) throws -> [UInt8] {
    guard case .bytes(let values) = all[name] else { throw MissingColumn(name: name) }
    return values
  }

  /// Adds other columns, each with `place` and a dot before its name.
  public mutating func add(_ other: Columns, within place: String) {
    for (name, column) in other.all { all["\(place).\(name)"] = column }
  }

  /// The columns that `add(_:within:)` put at `place`, with their old names.
  public func taken(from place: String) -> Columns {
    var result = Columns()
    for (name, column) in all where name.hasPrefix(place + ".") {
      result[String(name.dropFirst(place.count + 1))] = column
    }
    return result
  }
}

/// A checkpoint lacks what the program that reads it expects.
public struct MissingColumn: ReportableError, Equatable {
  /// Name of the column.
  public let name: String

  /// Names what is missing.
  public init(name: String) { self.name = name }

  /// The process's exit status.
  public var exitCode: ExitCode { .internalError }

  /// One line for people.
  public var description: String {
    "a checkpoint has no column \(name) of the type that is wanted; start anew with --resume never"
  }
}

/// What a finished stage leaves behind: columns, and nothing that depends on ranks or threads.
public protocol StageState: Sendable {
  /// The state as a checkpoint holds it.
  var columns: Columns { get }
  /// The state that `columns` hold.
  ///
  /// - Throws: `MissingColumn`.
  init(columns: Columns) throws
}

/// Some samples, by their index.
public struct IndexList: StageState, Equatable {
  /// Data set indices.
  public var indices: [Int32]

  /// A list.
  public init(_ indices: [Int32]) { self.indices = indices }

  /// The list that a checkpoint holds.
  public init(columns: Columns) throws { indices = try columns.integers("indices") }

  /// The list as a checkpoint holds it.
  public var columns: Columns {
    var columns = Columns()
    columns["indices"] = .integers(indices)
    return columns
  }
}

/// A model's weights and running statistics, as they lie in the engine's order.
///
/// Good for models of the same network and engine alone, which a stage's digest vouches for.
public struct ModelState: StageState, Equatable {
  /// Laid out like `Model.parameters`.
  public var parameters: [Float]
  /// Laid out like `Model.statistics`.
  public var statistics: [Float]

  init(_ model: Model) {
    parameters = model.parameters.array
    statistics = model.statistics.array
  }

  /// The state that a checkpoint holds.
  public init(columns: Columns) throws {
    parameters = try columns.floats("parameters")
    statistics = try columns.floats("statistics")
  }

  /// The state as a checkpoint holds it.
  public var columns: Columns {
    var columns = Columns()
    columns["parameters"] = .floats(parameters)
    columns["statistics"] = .floats(statistics)
    return columns
  }
}

extension Model {
  /// A copy of weights and running statistics.
  public var state: ModelState { ModelState(self) }

  /// Takes over what `state` of such a model was.
  ///
  /// - Throws: `MissingColumn` if the state is of another network.
  public func restore(_ state: ModelState) throws {
    guard state.parameters.count == parameters.count, state.statistics.count == statistics.count
    else { throw MissingColumn(name: "parameters of this network") }
    parameters.copy(from: state.parameters)
    statistics.copy(from: state.statistics)
    weightsDidChange()
  }
}
