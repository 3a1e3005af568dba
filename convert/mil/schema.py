"""The part of Core ML's protobuf messages that a program is made of, as field numbers and declarations.

Names and numbers are those of Model.proto, FeatureTypes.proto and MIL.proto in coremltools (mlmodel/format).
"""

from .wire import message_type

TYPES = {
    "Model": message_type(
        _1="int specificationVersion",
        _2="ModelDescription description",
        _200="bytes pipelineClassifier",
        _201="bytes pipelineRegressor",
        _202="bytes pipeline",
        _303="bytes neuralNetworkRegressor",
        _403="bytes neuralNetworkClassifier",
        _500="bytes neuralNetwork",
        _502="Program mlProgram",
    ),
    "ModelDescription": message_type(
        _1="repeated FeatureDescription input",
        _10="repeated FeatureDescription output",
        _13="repeated FeatureDescription state",
        _20="repeated FunctionDescription functions",
        _21="string defaultFunctionName",
        _100="Metadata metadata",
    ),
    "FunctionDescription": message_type(
        _1="string name",
        _2="repeated FeatureDescription input",
        _3="repeated FeatureDescription output",
        _6="repeated FeatureDescription state",
    ),
    "FeatureDescription": message_type(_1="string name", _2="string shortDescription", _3="FeatureType type"),
    "FeatureType": message_type(
        _4="ImageFeatureType imageType", _5="ArrayFeatureType multiArrayType", _1000="bool isOptional"
    ),
    "ImageFeatureType": message_type(
        _1="int width",
        _2="int height",
        _3="int colorSpace",
        _21="EnumeratedImageSizes enumeratedSizes",
        _31="ImageSizeRange imageSizeRange",
    ),
    "EnumeratedImageSizes": message_type(_1="repeated ImageSize sizes"),
    "ImageSize": message_type(_1="uint width", _2="uint height"),
    "ImageSizeRange": message_type(_1="SizeRange widthRange", _2="SizeRange heightRange"),
    "SizeRange": message_type(_1="uint lowerBound", _2="int upperBound"),
    "ArrayFeatureType": message_type(
        _1="repeated int shape",
        _2="int dataType",
        _21="EnumeratedShapes enumeratedShapes",
        _31="ShapeRange shapeRange",
        _41="int intDefaultValue",
        _51="float floatDefaultValue",
        _61="double doubleDefaultValue",
    ),
    "EnumeratedShapes": message_type(_1="repeated Shape shapes"),
    "Shape": message_type(_1="repeated int shape"),
    "ShapeRange": message_type(_1="repeated SizeRange sizeRanges"),
    "Metadata": message_type(_1="string shortDescription", _2="string versionString", _100="map string userDefined"),
    "Program": message_type(_1="int version", _2="map Function functions"),
    "Function": message_type(
        _1="repeated NamedValueType inputs",
        _2="string opset",
        _3="map Block block_specializations",
    ),
    "Block": message_type(_2="repeated string outputs", _3="repeated Operation operations"),
    "Operation": message_type(
        _1="string type",
        _2="map Argument inputs",
        _3="repeated NamedValueType outputs",
        _4="repeated bytes blocks",
        _5="map Value attributes",
    ),
    "Argument": message_type(_1="repeated Binding arguments"),
    "Binding": message_type(_1="string name", _2="Value value"),
    "NamedValueType": message_type(_1="string name", _2="ValueType type"),
    "ValueType": message_type(
        _1="TensorType tensorType",
        _2="bytes listType",
        _4="bytes dictionaryType",
        _5="StateType stateType",
    ),
    "StateType": message_type(_1="ValueType wrappedType"),
    "TensorType": message_type(_1="int dataType", _2="int rank", _3="repeated Dimension dimensions"),
    "Dimension": message_type(_1="ConstantDimension constant", _2="UnknownDimension unknown"),
    "ConstantDimension": message_type(_1="uint size"),
    "UnknownDimension": message_type(_1="bool variadic"),
    "Value": message_type(_2="ValueType type", _3="ImmediateValue immediateValue", _5="BlobFileValue blobFileValue"),
    "ImmediateValue": message_type(_1="TensorValue tensor", _3="ListValue list"),
    "BlobFileValue": message_type(_1="string fileName", _2="uint offset"),
    "ListValue": message_type(_1="repeated Value values"),
    "TensorValue": message_type(
        _1="RepeatedFloats floats",
        _2="RepeatedInts ints",
        _3="RepeatedBools bools",
        _4="RepeatedStrings strings",
        _5="RepeatedLongInts longInts",
        _6="RepeatedDoubles doubles",
        _7="RepeatedBytes bytes",
    ),
    "RepeatedFloats": message_type(_1="repeated float values"),
    "RepeatedInts": message_type(_1="repeated int values"),
    "RepeatedBools": message_type(_1="repeated bool values"),
    "RepeatedStrings": message_type(_1="repeated string values"),
    "RepeatedLongInts": message_type(_1="repeated int values"),
    "RepeatedDoubles": message_type(_1="repeated double values"),
    "RepeatedBytes": message_type(_1="bytes values"),
}

# MILSpec.DataType: number -> name. NumPy's name where NumPy has the type.
DATA_TYPES = {
    1: "bool",
    2: "str",
    10: "float16",
    11: "float32",
    12: "float64",
    13: "bfloat16",
    21: "int8",
    22: "int16",
    23: "int32",
    24: "int64",
    25: "int4",
    31: "uint8",
    32: "uint16",
    33: "uint32",
    34: "uint64",
    35: "uint4",
    36: "uint2",
    37: "uint1",
    38: "uint6",
    39: "uint3",
    40: "float8_e4m3fn",
    41: "float8_e5m2",
}
COLOR_SPACES = {10: "GRAYSCALE", 20: "RGB", 30: "BGR", 40: "GRAYSCALE_FLOAT16"}
# ArrayFeatureType.ArrayDataType: what Core ML passes in and out
ARRAY_TYPES = {"float16": 65552, "float32": 65568, "float64": 65600, "int8": 131080, "int32": 131104}
