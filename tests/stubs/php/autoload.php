<?php
// Stands for the file of this name that Composer writes: finds a class by its name in the folders of the include path.
spl_autoload_register(function (string $class): void {
    $file = stream_resolve_include_path(strtr($class, '\\', '/') . '.php');
    if ($file !== false) {
        require $file;
    }
});
