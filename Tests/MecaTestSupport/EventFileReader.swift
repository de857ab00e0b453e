import Foundation
import MecaExport
import SwiftProtobuf

/// Why a file is no event file.
package struct NoEventFile: Error, CustomStringConvertible {
  /// Where it goes wrong.
  package let description: String
}

/// The events of a file of TensorBoard, both check sums of each record checked.
///
/// - Throws: `NoEventFile` for a record that is torn or damaged, `BinaryDecodingError`.
package func readEvents(_ data: Data) throws -> [Tensorboard_Event] {
  func number<Value: FixedWidthInteger & BitwiseCopyable>(_ place: Int, _ type: Value.Type) throws
    -> Value
  {
    guard place + Value.bitWidth / 8 <= data.count else {
      throw NoEventFile(description: "torn at byte \(place) of \(data.count)")
    }
    return data.withUnsafeBytes {
      Value(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: Value.self))
    }
  }
  var events: [Tensorboard_Event] = []
  var place = 0
  while place < data.count {
    let length = Int(try number(place, UInt64.self))
    guard try number(place + 8, UInt32.self) == masked(crc32c(data[place..<place + 8])),
      length <= data.count - place - 16
    else { throw NoEventFile(description: "damaged at byte \(place)") }
    let message = data[place + 12..<place + 12 + length]
    guard try number(place + 12 + length, UInt32.self) == masked(crc32c(message)) else {
      throw NoEventFile(description: "damaged in the record at byte \(place)")
    }
    events.append(try Tensorboard_Event(serializedBytes: Data(message)))
    place += 16 + length
  }
  return events
}

/// A point of a curve.
package struct CurveValue {
  /// Its step.
  package let step: Int
  /// Its value.
  package let value: Float
}

/// The scalars of all event files in a folder: by curve, which is the folder's path below it, and tag
/// the steps and values in their order.
package func readCurves(_ folder: String) throws -> [String: [String: [CurveValue]]] {
  var curves: [String: [String: [CurveValue]]] = [:]
  for name in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
  where name.contains("events.out.tfevents.") {
    let curve = (name as NSString).deletingLastPathComponent
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))
    for event in try readEvents(bytes) {
      for value in event.summary.value {
        curves[curve, default: [:]][value.tag, default: []].append(
          CurveValue(step: Int(event.step), value: value.simpleValue))
      }
    }
  }
  return curves
}
