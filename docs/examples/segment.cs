// Segment a PNG with an exported model in C#; no Python, nothing of hybridseg.
//
//   dotnet run --project segment.csproj -- model.onnx scan.png [mask.png]
//
// onnxruntime reports to its maker: start the program with ORT_DISABLE_TELEMETRY=1 set.
//
// Prints the image's size, the mask's pixels and its checksum, as checksum.py, segment.c and segment.mjs do.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using StbImageSharp;
using StbImageWriteSharp;

public static class Segment
{
    public static int Main(string[] arguments)
    {
        if (arguments.Length < 2)
        {
            Console.Error.WriteLine("usage: segment model.onnx scan.png [mask.png]");
            return 2;
        }
        ImageResult picture = ImageResult.FromMemory(File.ReadAllBytes(arguments[1]), StbImageSharp.ColorComponents.RedGreenBlue);
        int width = picture.Width, height = picture.Height;
        byte[] mask = Run(arguments[0], ToGrey(picture.Data), width, height);

        uint hash = 0x811c9dc5; // FNV-1a
        foreach (byte value in mask) hash = unchecked((hash ^ value) * 0x01000193);
        Console.WriteLine($"{width}x{height} lesion pixels {mask.Count(value => value != 0)} checksum {hash:x8}");
        if (arguments.Length > 2)
        {
            byte[] white = mask.Select(value => (byte)(255 * value)).ToArray();
            using (Stream file = File.Create(arguments[2]))
                new ImageWriter().WritePng(white, width, height, StbImageWriteSharp.ColorComponents.Grey, file);
        }
        return 0;
    }

    private static byte[] Run(string model, byte[] grey, int width, int height)
    {
        using (var options = new SessionOptions { IntraOpNumThreads = 1 })
        using (var session = new InferenceSession(model, options))
        {
            var image = new DenseTensor<byte>(grey, new[] { 1, height, width, 1 });
            var inputs = new List<NamedOnnxValue> { NamedOnnxValue.CreateFromTensor("image", image) };
            using (var results = session.Run(inputs, new[] { "mask" }))
                return results.First().AsTensor<byte>().ToArray();
        }
    }

    // The weights of ITU-R BT.601, in whole numbers: what Pillow's mode L has. Grey stays as it is.
    private static byte[] ToGrey(byte[] rgb)
    {
        var grey = new byte[rgb.Length / 3];
        for (int i = 0; i < grey.Length; i++)
            grey[i] = (byte)((rgb[3 * i] * 19595 + rgb[3 * i + 1] * 38470 + rgb[3 * i + 2] * 7471 + 0x8000) >> 16);
        return grey;
    }
}
